"""Every failure as an RFC 9457 problem document, or under /v1 as OpenAI has it: where what went wrong becomes HTTP.

`KINDS` is the catalogue; GET /docs/problems shows it, and a document's `type` points into that page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Scope

from endpoints.openai import errors as openai_errors
from endpoints.request_id import request_id_of
from functions.failures import (
    BudgetExceeded,
    Conflict,
    ConstraintRefused,
    ConstraintsConflict,
    DatabaseUnavailable,
    EngineUnavailable,
    Failure,
    Forbidden,
    GenerationCut,
    GenerationTimeout,
    KeyReused,
    NotFound,
    Overloaded,
    PromptTooLong,
    RateLimited,
    Refused,
    StaleVersion,
    StillRunning,
    TooManyAtOnce,
    Unauthenticated,
    Unavailable,
    UnderMaintenance,
    UnknownDigest,
)
from infra import telemetry
from infra import telemetry_names as names

MEDIA_TYPE = "application/problem+json"
CATALOGUE_PATH = "/docs/problems"


@dataclass(frozen=True)
class Kind:
    """A kind of problem: `name` ends its type URI, `title` never changes from one occurrence to the next."""

    name: str
    status: int
    title: str


KINDS: Mapping[type[Failure], Kind] = {
    ConstraintRefused: Kind("constraint-refused", 400, "The constraint cannot be enforced"),
    KeyReused: Kind("idempotency-key-reused", 422, "This Idempotency-Key came with another request"),
    Refused: Kind("refused", 422, "The input cannot be worked on"),
    PromptTooLong: Kind("prompt-too-long", 400, "The prompt is too long for the model"),
    EngineUnavailable: Kind("engine-unavailable", 503, "The engine cannot answer now"),
    DatabaseUnavailable: Kind("database-unavailable", 503, "The database cannot be reached"),
    UnderMaintenance: Kind("under-maintenance", 503, "No changes are taken during maintenance"),
    Overloaded: Kind("overloaded", 503, "The server is at its limit"),
    Unavailable: Kind("unavailable", 503, "Something this needs is down or starting"),
    GenerationCut: Kind("generation-cut", 422, "The model ran out of tokens before it was done"),
    GenerationTimeout: Kind("generation-timeout", 504, "The generation took too long"),
    NotFound: Kind("not-found", 404, "There is no such resource"),
    UnknownDigest: Kind("unknown-digest", 404, "No constraint set was compiled to this digest"),
    StaleVersion: Kind("stale-version", 412, "The resource has changed since it was read"),
    ConstraintsConflict: Kind("constraints-conflict", 409, "The constraints cannot hold together"),
    Conflict: Kind("conflict", 409, "The resource's state does not allow this"),
    StillRunning: Kind("still-running", 409, "The first request with this Idempotency-Key is still running"),
    Unauthenticated: Kind("unauthenticated", 401, "Valid credentials are needed"),
    Forbidden: Kind("forbidden", 403, "These credentials do not allow this"),
    RateLimited: Kind("rate-limited", 429, "Too many requests"),
    TooManyAtOnce: Kind("too-many-at-once", 429, "Too much at once"),
    BudgetExceeded: Kind("budget-exceeded", 402, "The budget is used up"),
}
INVALID = Kind("invalid-request", 422, "The request does not have the expected shape")

# Kinds that say no more than their status does: "about:blank" with the status's own title (RFC 9457, section 4.2.1).
_PLAIN_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    422: "Unprocessable Content",
    428: "Precondition Required",
    500: "Internal Server Error",
}


@dataclass(frozen=True)
class FieldError:
    """One fault in the request: a JSON pointer (RFC 6901) into the body, or a parameter (`query limit`)."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def document(self) -> dict[str, str]:
        """Only the members that are known."""
        return {k: v for k, v in vars(self).items() if v is not None}


@dataclass(frozen=True)
class Problem:
    """A problem that has occurred; `members` extend the document, `headers` go with the response.

    `failure` is what it was made from, where it was one.
    """

    status: int
    detail: str
    kind: Kind | None = None
    errors: Sequence[FieldError] = ()
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    failure: Failure | None = None

    def document(self, scope: Scope) -> dict[str, Any]:
        """The problem document for the request of `scope`."""
        plain_title = _PLAIN_TITLES.get(self.status, "Error")
        document: dict[str, Any] = {
            "type": f"{CATALOGUE_PATH}#{self.kind.name}" if self.kind else "about:blank",
            "title": self.kind.title if self.kind else plain_title,
            "status": self.status,
            "detail": self.detail,
            "instance": scope["path"],
            "request_id": request_id_of(scope),
        }
        if self.errors:
            document["errors"] = [error.document() for error in self.errors]
        return {**self.members, **document}

    def count(self) -> None:
        """Say in metrics and in the request's span that it is answered: by its kind, never by its words."""
        reason = self.kind.name if self.kind else f"http-{self.status}"
        telemetry.current_span().set_attribute(names.REFUSAL, reason)
        telemetry.instruments().refusals.add(1, {names.REFUSAL: reason, names.HTTP_STATUS: self.status})
        if isinstance(self.failure, BudgetExceeded):
            telemetry.instruments().budget_rejections.add(1, {names.PERIOD: self.failure.period})

    def response(self, scope: Scope) -> JSONResponse:
        """The answer to the request of `scope`, in the shape of the API that was asked."""
        self.count()
        if scope["path"].startswith(openai_errors.PREFIX):
            return openai_errors.error_response(self)
        return JSONResponse(self.document(scope), self.status, headers=self.headers, media_type=MEDIA_TYPE)


UNEXPECTED = Problem(500, "something went wrong on our side; the request id finds it in the logs")


class FailureAbout(Failure):
    """A failure, and what it is about: `members` are added to its problem document."""

    def __init__(self, failure: Failure, members: Mapping[str, Any]) -> None:
        super().__init__(str(failure))
        self.failure = failure
        self.members = members


def problem_for(failure: Failure) -> Problem:
    """The problem that a failure is, with what a client needs to act on it."""
    if isinstance(failure, FailureAbout):
        problem = problem_for(failure.failure)
        return replace(problem, members={**problem.members, **failure.members})
    kind = next(KINDS[cls] for cls in type(failure).__mro__ if cls in KINDS)
    errors = [FieldError(failure.reason, pointer=failure.pointer)] if isinstance(failure, Refused) else []
    return Problem(kind.status, str(failure), kind, errors, _members(failure), _headers(failure), failure)


def _members(failure: Failure) -> Mapping[str, Any]:
    match failure:
        case PromptTooLong(tokens=tokens, limit=limit):
            return {"tokens": tokens, "limit": limit}
        case StaleVersion(current=current):
            return {"current_version": current}
        case Conflict(details=details):
            return details
        case BudgetExceeded(period=period, limit_usd=limit_usd, spent_usd=spent_usd):
            return {"period": period, "limit_usd": limit_usd, "spent_usd": spent_usd}
        case _:
            return {}


def _headers(failure: Failure) -> Mapping[str, str]:
    match failure:
        case Unavailable(retry_after_s=seconds) | TooManyAtOnce(retry_after_s=seconds):
            return retry_after(seconds)
        case RateLimited():
            return rate_limit_headers(failure)
        case Unauthenticated():
            return {"www-authenticate": 'Bearer realm="lift-sys"'}
        case StillRunning():
            return {"x-should-retry": "true", **retry_after(2)}
        case Conflict() | KeyReused():
            # OpenAI's clients repeat every 409 unless told not to; neither passes by itself.
            return {"x-should-retry": "false"}
        case _:
            return {}


def problem_response(
    scope: Scope, status: int, detail: str, *, kind: Kind | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A problem that no `Failure` stands for, as middleware meets them."""
    return Problem(status, detail, kind, headers=headers or {}).response(scope)


def retry_after(seconds: float) -> dict[str, str]:
    """`Retry-After` in whole seconds, never 0: that would invite a tight loop."""
    return {"retry-after": str(max(1, math.ceil(seconds)))}


def rate_limit_headers(limited: RateLimited) -> dict[str, str]:
    """draft-ietf-httpapi-ratelimit-headers, with `Retry-After` for who does not know it."""
    reset = retry_after(limited.retry_after_s)
    return {
        "ratelimit-policy": f'"{limited.policy}";q={limited.quota};w={limited.window_s}',
        "ratelimit": f'"{limited.policy}";r={limited.remaining};t={reset["retry-after"]}',
        **reset,
    }


async def answer_failure(request: Request, failure: Exception) -> JSONResponse:
    """FastAPI's exception handler for `Failure`."""
    assert isinstance(failure, Failure)  # noqa: S101 - registered for this class alone; tells the type checker
    return problem_for(failure).response(request.scope)


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's exception handler for `RequestValidationError`: every fault with its place; no value is echoed."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as above
    errors = [_field_error(fault, error.body) for fault in error.errors()]
    detail = "; ".join(f"{e.pointer or e.parameter or 'the body'}: {e.detail}" for e in errors[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004 - as many as are named above
    return Problem(INVALID.status, detail + more, INVALID, errors).response(request.scope)


async def answer_http_exception(request: Request, error: Exception) -> JSONResponse:
    """FastAPI's exception handler for what Starlette itself refuses: no such path or method, body too large..."""
    assert isinstance(error, HTTPException)  # noqa: S101 - as above
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    detail = error.detail
    if error.status_code == 404:  # noqa: PLR2004 - the status's own number is its best name
        detail = "there is nothing at this path; GET /docs lists what there is"
    elif error.status_code == 405:  # noqa: PLR2004 - as above
        allowed = _allowed_methods(request)
        headers["allow"] = allowed
        detail = f"this path takes {allowed}, not {request.method}"
    return problem_response(request.scope, error.status_code, detail, headers=headers)


def _allowed_methods(request: Request) -> str:
    """All methods of the path: Starlette knows only those of the first route that has it.

    A path with words of its own (`/api/sessions/search`) is not also one that takes any word there.
    """
    routes = [r for r in request.app.routes if r.matches(request.scope)[0] is not Match.NONE]
    own = [r for r in routes if getattr(r, "path", None) == getattr(routes[0], "path", None)]
    return ", ".join(sorted({method for route in own for method in getattr(route, "methods", None) or ()}))


def _field_error(fault: Mapping[str, Any], body: Any) -> FieldError:
    where, *path = fault["loc"]
    detail = str(fault["msg"]).removeprefix("Value error, ")
    if where == "body":
        return FieldError(detail, pointer=_pointer(path, body, is_missing=fault["type"] == "missing"))
    return FieldError(detail, parameter=f"{where} {'.'.join(map(str, path))}")


def _pointer(path: Sequence[str | int], body: Any, *, is_missing: bool) -> str:
    """JSON pointer along `path`, without the steps that pydantic adds for members of a union."""
    pointer, here = "", body
    for position, step in enumerate(path):
        inside = isinstance(here, dict) and step in here
        inside = inside or (isinstance(here, list) and isinstance(step, int) and step < len(here))
        if inside or (is_missing and position == len(path) - 1):
            pointer += "/" + str(step).replace("~", "~0").replace("/", "~1")
            here = here[step] if inside else None
    return pointer
