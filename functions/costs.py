"""What a piece of work costs, by the price book: the ledger's estimate until the platform's own bill is in."""

from infra.settings import Settings

SLOW_TOKENS_PER_S = 30
"""A pessimistic speed for the estimate that is reserved before the work: too much is given back, too little leaks."""
CPU = "cpu"


def gpu_of(settings: Settings) -> str:
    """The GPU type that the price book is asked for: the first of the environment's preferences, or `cpu`."""
    return settings.engine.gpu[0] if settings.engine.gpu else CPU


def usd_per_second(settings: Settings) -> float:
    """The rate of that GPU. A type that the price book does not have costs nothing."""
    return settings.prices.gpu_usd_per_hour.get(gpu_of(settings), 0.0) / 3600


def cost_usd(settings: Settings, engine_seconds: float) -> float:
    """Price of the seconds for which an engine worked on one request.

    Requests that share a batch share the GPU, so that this is an upper bound of each one's part.
    """
    return engine_seconds * usd_per_second(settings)


def estimate_usd(settings: Settings, max_tokens: int, generations: int = 1) -> float:
    """Upper estimate for `generations` of at most `max_tokens` each, to be reserved before the work."""
    seconds = min(max_tokens / SLOW_TOKENS_PER_S + 2, settings.generation.timeout_s)
    return cost_usd(settings, seconds * generations)
