"""A defect of ours is a 500 problem to the caller, who learns the request id, and a traceback to the log."""

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.problems import UNEXPECTED


class UnexpectedErrorsMiddleware:
    """Innermost of the middleware that shapes responses, so that a 500 has the same headers as any other answer.

    Once the response has begun nothing can be taken back: the error is raised on, and the server cuts the connection,
    which is how HTTP says that a body is incomplete.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.log = structlog.get_logger("errors")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_noted(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception:  # whatever was not foreseen: logged, and answered as a problem document
            self.log.exception("unexpected error", method=scope["method"], started=started)
            if started:
                raise
            await UNEXPECTED.response(scope)(scope, receive, send)
