"""Every request has an id, the client's own if it is sane: in the response, in the logs, in problem documents."""

import re
import secrets

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.response_headers import answer_with

HEADER = "x-request-id"
_SANE = re.compile(r"[A-Za-z0-9._~:-]{1,128}")


class RequestIdMiddleware:
    """Puts `request_id` into the scope's state and the logging context, and has the response say it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).get(HEADER, "")
        request_id = offered if _SANE.fullmatch(offered) else secrets.token_hex(16)
        scope.setdefault("state", {})["request_id"] = request_id
        answer_with(scope, {HEADER: request_id})
        # `bound_contextvars` would look through the whole context, twice.
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            await self.app(scope, receive, send)
        finally:
            structlog.contextvars.reset_contextvars(**bound)


def request_id_of(scope: Scope) -> str:
    """The id of the request that `scope` belongs to; empty outside the middleware."""
    return str(scope.get("state", {}).get("request_id", ""))
