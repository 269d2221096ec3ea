"""What can go wrong, named once. Raised where the cause is known, translated to HTTP once, in `endpoints.problems`."""

from dataclasses import dataclass
from typing import Any


class Failure(Exception):  # noqa: N818 - the names below say what happened: "NotFound" reads better than "NotFoundError"
    """Base of everything that a caller is told about. `str()` of it is safe to show to that caller."""


@dataclass
class Refused(Failure):
    """The input cannot be worked on. `pointer` is the JSON pointer (RFC 6901) of the field at fault."""

    pointer: str
    reason: str

    def __str__(self) -> str:
        return self.reason


class ConstraintRefused(Refused):
    """A schema, grammar, regex or choice that the decoder would not take, or that nothing can satisfy."""


@dataclass
class PromptTooLong(Failure):
    """The prompt leaves no room for an answer in the model's context."""

    tokens: int
    limit: int

    def __str__(self) -> str:
        return f"the prompt is {self.tokens} tokens long; this model takes at most {self.limit}. Shorten the prompt."


@dataclass
class Unavailable(Failure):
    """A dependency is down or starting. Trying again after `retry_after_s` seconds is right."""

    what: str
    reason: str
    retry_after_s: float = 5.0

    def __str__(self) -> str:
        return f"{self.what} is unavailable: {self.reason}"


class EngineUnavailable(Unavailable):
    """No engine can answer now."""


class DatabaseUnavailable(Unavailable):
    """The database or its gateway cannot be reached, or did not answer in time."""


class UnderMaintenance(Unavailable):
    """An operator has turned changes off for a while; what only reads goes on."""

    def __str__(self) -> str:
        return f"{self.what} takes no changes now, only what reads: {self.reason}"


class Overloaded(Unavailable):
    """A server has as much to do as it takes, or as much as it takes of one user."""

    def __str__(self) -> str:
        return self.reason


@dataclass
class GenerationTimeout(Failure):
    """The engine took longer than the request allowed."""

    seconds: float

    def __str__(self) -> str:
        return f"the generation did not finish within {self.seconds:g} s"


@dataclass
class GenerationCut(Failure):
    """The model was still writing when its tokens ran out: what there is, is an unfinished prefix and never shown."""

    what: str
    max_tokens: int

    def __str__(self) -> str:
        return f"{self.what} was not finished within {self.max_tokens} tokens; ask for something smaller, or try again"


@dataclass
class NotFound(Failure):
    """It does not exist, or it is not the caller's to know of: the two are never told apart."""

    what: str

    def __str__(self) -> str:
        return f"there is no {self.what}"


@dataclass
class UnknownDigest(NotFound):
    """No constraint set was compiled to it, or not lately."""


@dataclass
class StaleVersion(Failure):
    """A write was made from a version that is no longer the current one (`current`)."""

    current: int

    def __str__(self) -> str:
        return f"the resource has moved on to version {self.current}; read it again and redo the change"


@dataclass
class Conflict(Failure):
    """The state of the resource does not allow this. `details` are added to the problem document."""

    reason: str
    details: dict[str, Any]

    def __str__(self) -> str:
        return self.reason


class ConstraintsConflict(Conflict):
    """Constraints that cannot hold together; `details` has their names under `conflict`."""


class StillRunning(Conflict):
    """The first request with the same Idempotency-Key has not ended. Sending it again later is right."""


class KeyReused(Refused):
    """An Idempotency-Key came with another request before. The same request will never do; a new key is needed."""


class Unauthenticated(Failure):
    """No credentials, or credentials that do not hold."""


class Forbidden(Failure):
    """The caller is known and may not do this."""


@dataclass
class RateLimited(Failure):
    """Too many requests. The fields feed the RateLimit headers (IETF draft-ietf-httpapi-ratelimit-headers)."""

    policy: str
    quota: int
    window_s: int
    remaining: int
    retry_after_s: float

    def __str__(self) -> str:
        what = f"more than {self.quota} requests in {self.window_s} s ({self.policy})"
        return f"{what}; try again in {self.retry_after_s:g} s"


class TooManyAtOnce(RateLimited):
    """`quota` pieces of this caller's work, or streams, are under way already; `window_s` and `remaining` are 0."""

    def __str__(self) -> str:
        what = f"{self.quota} requests of yours are under way ({self.policy})"
        return f"{what}, as many as may be at once; wait until one has ended"


@dataclass
class BudgetExceeded(Failure):
    """The caller's budget does not cover the request's estimate."""

    period: str
    limit_usd: float
    spent_usd: float

    def __str__(self) -> str:
        budget = f"the budget of ${self.limit_usd:.2f} per {self.period}"
        return f"{budget} is used up (${self.spent_usd:.4f} spent or reserved)"
