"""One log line a request: who, what, how it ended, how long it took. Never a body, a query, a token or a key."""

import time

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.callers import Caller
from infra import telemetry
from infra import telemetry_names as names

CLIENT_CLOSED_REQUEST = 499
"""nginx's code for "the client went away before an answer"; it is logged, never sent."""


class AccessLogMiddleware:
    """Logs when the response has ended, whichever way. The duration includes streaming."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.get_logger("access")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = CLIENT_CLOSED_REQUEST
        sent_bytes = 0

        async def send_counted(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "http.response.body":
                sent_bytes += len(message.get("body", b""))
            await send(message)

        try:
            await self.app(scope, receive, send_counted)
        finally:
            route: str | None = getattr(scope.get("route"), "path_format", None)
            seconds = time.perf_counter() - started
            _measure(scope["method"], route, status, seconds)
            self.log.info(
                "request",
                method=scope["method"],
                # The template of a known route, so that lines group; the path itself only where no route matched.
                route=route or scope["path"][:200],
                status=status,
                duration_ms=round(seconds * 1000, 2),
                bytes=sent_bytes,
                **_identity(scope),
            )


def _measure(method: str, route: str | None, status: int, seconds: float) -> None:
    labels: dict[str, str | int] = {names.HTTP_METHOD: telemetry.known_method(method), names.HTTP_STATUS: status}
    if route:
        labels[names.HTTP_ROUTE] = route
    telemetry.instruments().http_duration.record(seconds, labels)


def _identity(scope: Scope) -> dict[str, str | None]:
    client = scope.get("client")
    known: dict[str, str | None] = {"client": client[0] if client else None}
    caller = scope.get("state", {}).get("caller")
    if isinstance(caller, Caller):
        known |= {"user_id": caller.user_id, "key_id": caller.key_id}
    return known
