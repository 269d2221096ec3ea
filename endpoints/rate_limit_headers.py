"""What is left of the caller's rates, on every answer that was counted (draft-ietf-httpapi-ratelimit-headers)."""

import math
from collections.abc import Sequence

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.response_headers import adding_headers
from functions.ledger import RateState

_STATE = "rate_limits"


def counted(request: Request, limits: Sequence[RateState]) -> None:
    """The request was counted: its answer will say what is left."""
    setattr(request.state, _STATE, tuple(limits))


class RateLimitHeadersMiddleware:
    """Adds `RateLimit` and `RateLimit-Policy` to the answers of requests that were `counted`.

    A refusal (429) has set its own.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_limits(message: Message) -> None:
            limits: Sequence[RateState] = scope.get("state", {}).get(_STATE, ())
            await (adding_headers(send, _headers(limits)) if limits else send)(message)

        await self.app(scope, receive, send_with_limits)


def _headers(limits: Sequence[RateState]) -> dict[str, str]:
    return {
        "ratelimit-policy": ", ".join(f'"{limit.policy}";q={limit.quota};w={limit.window_s}' for limit in limits),
        "ratelimit": ", ".join(
            f'"{limit.policy}";r={limit.remaining};t={math.ceil(limit.reset_s)}' for limit in limits
        ),
    }
