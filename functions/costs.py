"""What a piece of work costs, by the price book: the ledger's estimate until the platform's own bill is in."""

from infra.settings import Settings

SLOW_TOKENS_PER_S = 30
"""A pessimistic speed for the estimate that is reserved before the work: too much is given back, too little leaks."""
CPU = "cpu"
HOUR_S = 3600


def gpu_of(settings: Settings) -> str:
    """The GPU type that the price book is asked for: the first of the environment's preferences, or `cpu`."""
    return settings.engine.gpu[0] if settings.engine.gpu else CPU


def usd_per_second(settings: Settings) -> float:
    """The rate of that GPU. A type that the price book does not have costs nothing."""
    return usd_per_hour(settings) / HOUR_S


def usd_per_hour(settings: Settings) -> float:
    """The same, by the hour: what an engine costs, busy or idle."""
    return settings.prices.gpu_usd_per_hour.get(gpu_of(settings), 0.0)


def cost_usd(
    settings: Settings, engine_seconds: float, *, cpu_seconds: float = 0.0, sandbox_seconds: float = 0.0
) -> float:
    """Price of the seconds for which an engine, a core of the web tier and a sandbox of one core worked on one request.

    Requests that share a batch share the GPU, so that this is an upper bound of each one's part.
    """
    prices = settings.prices
    cores = cpu_seconds * prices.cpu_usd_per_core_hour + sandbox_seconds * prices.sandbox_usd_per_core_hour
    return engine_seconds * usd_per_second(settings) + cores / HOUR_S


def web_cpu_seconds(settings: Settings, latency_s: float) -> float:
    """A request's part of its web container's cores, for as long as it took: one of the places there are."""
    return latency_s * settings.web.cpu / settings.web.max_concurrent_requests


def estimate_usd(settings: Settings, max_tokens: int, generations: int = 1) -> float:
    """Upper estimate for `generations` of at most `max_tokens` each, to be reserved before the work."""
    seconds = min(max_tokens / SLOW_TOKENS_PER_S + 2, settings.generation.timeout_s) * generations
    return cost_usd(settings, seconds, cpu_seconds=web_cpu_seconds(settings, seconds))
