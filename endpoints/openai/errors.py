"""Errors under /v1 in OpenAI's shape, `{"error": {message, type, param, code}}`, with its statuses and codes.

https://platform.openai.com/docs/guides/error-codes. What was refused for what it says is 400 there and not 422; a used
up budget is 429 and not 402. `x-should-retry: false` stops OpenAI's clients from repeating what would fail, or cost,
again: they repeat every 408, 409, 429 and 5xx.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from functions.failures import (
    BudgetExceeded,
    ConstraintRefused,
    Failure,
    Forbidden,
    GenerationTimeout,
    NotFound,
    PromptTooLong,
    RateLimited,
    TooManyAtOnce,
    Unauthenticated,
    UnknownDigest,
)

if TYPE_CHECKING:
    from endpoints.problems import Problem

PREFIX = "/v1/"
DO_NOT_RETRY = {"x-should-retry": "false"}
_STATUSES = {402: 429, 422: 400}
_FIRST_SERVER_ERROR = 500
_INDEX = re.compile(r"\.(\d+)(?=\.|$)")


@dataclass(frozen=True)
class _Name:
    type: str
    code: str | None


_NAMES: Mapping[type[Failure], _Name] = {
    Unauthenticated: _Name("invalid_request_error", "invalid_api_key"),
    Forbidden: _Name("invalid_request_error", "insufficient_permissions"),
    NotFound: _Name("invalid_request_error", "model_not_found"),
    UnknownDigest: _Name("invalid_request_error", "digest_not_found"),
    PromptTooLong: _Name("invalid_request_error", "context_length_exceeded"),
    ConstraintRefused: _Name("invalid_request_error", "constraint_refused"),
    TooManyAtOnce: _Name("requests", "rate_limit_exceeded"),
    RateLimited: _Name("requests", "rate_limit_exceeded"),
    BudgetExceeded: _Name("insufficient_quota", "insufficient_quota"),
}
_PARAMS: Mapping[type[Failure], str] = {UnknownDigest: "digest", NotFound: "model", PromptTooLong: "messages"}


def error_document(problem: "Problem") -> dict[str, Any]:
    """The error object of a response, or of the event in which a stream breaks off."""
    name = _name(problem)
    return {"error": {"message": _message(problem), "type": name.type, "param": _param(problem), "code": name.code}}


def error_response(problem: "Problem") -> JSONResponse:
    """The answer under /v1 for any problem: whoever meets it, a route or a middleware."""
    headers = {**problem.headers}
    match problem.failure:
        case RateLimited() as limited:
            headers |= rate_limit_headers(limited.quota, limited.remaining, limited.retry_after_s)
        case BudgetExceeded() | GenerationTimeout():
            headers |= DO_NOT_RETRY
    return JSONResponse(error_document(problem), _STATUSES.get(problem.status, problem.status), headers)


def rate_limit_headers(limit: int, remaining: int, reset_s: float) -> dict[str, str]:
    """OpenAI's names for a rate of requests."""
    return {
        "x-ratelimit-limit-requests": str(limit),
        "x-ratelimit-remaining-requests": str(remaining),
        "x-ratelimit-reset-requests": f"{max(0, math.ceil(reset_s * 1000))}ms",
    }


def _message(problem: "Problem") -> str:
    """Ours, but for a prompt that is too long: clients know that one by OpenAI's words."""
    if isinstance(problem.failure, PromptTooLong):
        tokens, context = problem.failure.tokens, problem.failure.limit + 1  # a prompt leaves room for one token
        return f"This model's maximum context length is {context} tokens; the prompt alone is {tokens}. Shorten it."
    return problem.detail


def _name(problem: "Problem") -> _Name:
    for cls in type(problem.failure).__mro__:
        if cls in _NAMES:
            return _NAMES[cls]
    if problem.status < _FIRST_SERVER_ERROR:
        return _Name("invalid_request_error", None)
    return _Name("server_error", problem.kind.name.replace("-", "_") if problem.kind else None)


def _param(problem: "Problem") -> str | None:
    """The field at fault as OpenAI writes it: `messages[0].content`."""
    pointers = [error.pointer for error in problem.errors if error.pointer]
    if not pointers:
        return next((param for cls, param in _PARAMS.items() if isinstance(problem.failure, cls)), None)
    # A field that may be one of several things has a fault for each: the one that leads furthest in is the one meant.
    pointer = max((p for p in pointers if f"{p}/".startswith(f"{pointers[0]}/")), key=len)
    dotted = pointer.replace("/", ".").replace("~1", "/").replace("~0", "~")
    return _INDEX.sub(r"[\1]", dotted).removeprefix(".")
