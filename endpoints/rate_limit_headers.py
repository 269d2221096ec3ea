"""What is left of the caller's rates, on every answer that was counted (draft-ietf-httpapi-ratelimit-headers)."""

import math
from collections.abc import Sequence

from starlette.requests import Request

from endpoints.response_headers import answer_with
from functions.ledger import RateState


def counted(request: Request, limits: Sequence[RateState]) -> None:
    """The request was counted: its answer will say what is left, unless it is a refusal (429), which says so itself."""
    if limits:
        answer_with(request.scope, _headers(limits))


def _headers(limits: Sequence[RateState]) -> dict[str, str]:
    return {
        "ratelimit-policy": ", ".join(f'"{limit.policy}";q={limit.quota};w={limit.window_s}' for limit in limits),
        "ratelimit": ", ".join(
            f'"{limit.policy}";r={limit.remaining};t={math.ceil(limit.reset_s)}' for limit in limits
        ),
    }
