"""Request bodies have a largest size, announced (`Content-Length`) or not (chunked)."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.problems import problem_response


class BodyLimitMiddleware:
    """Answers 413 before the application reads a byte of a body that is announced as too large.

    A chunked body is counted as it comes; the application's next `receive` raises `HTTPException` 413.
    """

    def __init__(self, app: ASGIApp, *, limit_bytes: int) -> None:
        self.app = app
        self.limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > self.limit_bytes:
            await problem_response(scope, 413, self._detail())(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self.limit_bytes:
                    raise HTTPException(413, self._detail())
            return message

        await self.app(scope, receive_counted, send)

    def _detail(self) -> str:
        return f"the body is larger than {self.limit_bytes} bytes, the most that is taken"
