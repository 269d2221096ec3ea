"""Request bodies have a largest size, announced (`Content-Length`) or not (chunked)."""

from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.problems import problem_response


class BodyLimitMiddleware:
    """Answers 413 before the application reads a byte of a body that is announced as too large.

    A chunked body is counted as it comes; the application's next `receive` raises `HTTPException` 413. Some paths take
    `larger` bodies.
    """

    def __init__(self, app: ASGIApp, *, limit_bytes: int, larger: Mapping[str, int] | None = None) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        limit = self.larger.get(scope["path"], self.limit_bytes)
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced) > limit:
            await problem_response(scope, 413, _detail(limit))(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise HTTPException(413, _detail(limit))
            return message

        await self.app(scope, receive_counted, send)


def _detail(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes, the most that is taken"
