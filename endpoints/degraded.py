"""Answers that were given without the database say so: `service-mode: degraded`."""

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.response_headers import adding_headers

HEADER = "service-mode"
_STATE = "without_database"


def note_degraded(request: Request) -> None:
    """The request is served by this server alone: its answer will say so."""
    setattr(request.state, _STATE, True)


class DegradedHeaderMiddleware:
    """Adds the header to the answers of requests that were noted."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_mode(message: Message) -> None:
            noted = scope.get("state", {}).get(_STATE, False)
            await (adding_headers(send, {HEADER: "degraded"}) if noted else send)(message)

        await self.app(scope, receive, send_with_mode)
