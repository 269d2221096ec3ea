"""Request bodies have a largest size, announced (`Content-Length`) or not (chunked), and a time in which to arrive."""

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.problems import problem_response

TIMEOUT_S = 30.0
"""The largest body takes this long at 1.1 Mbit/s."""


class BodyLimitMiddleware:
    """Answers 413 before the application reads a byte of a body that is announced as too large.

    A chunked body is counted as it comes; the application's next `receive` raises `HTTPException` 413. Some paths take
    `larger` bodies. One that is not there `timeout_s` after it was first waited for raises 408: a request that trickles
    in holds one of the places that there are.
    """

    def __init__(
        self, app: ASGIApp, *, limit_bytes: int, larger: Mapping[str, int] | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.app = app
        self.limit_bytes = limit_bytes
        self.larger = larger or {}
        self.timeout_s = timeout_s

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
        deadline: float | None = None
        complete = False

        async def receive_counted() -> Message:
            nonlocal received, deadline, complete
            if complete:  # what comes now is that the client has gone, whenever it does
                return await receive()
            deadline = deadline or asyncio.get_running_loop().time() + self.timeout_s
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise HTTPException(408, f"the body did not arrive within {self.timeout_s:g} s") from None
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > limit:
                    raise HTTPException(413, _detail(limit))
            complete = not message.get("more_body", False)
            return message

        await self.app(scope, receive_counted, send)


def _detail(limit_bytes: int) -> str:
    return f"the body is larger than {limit_bytes} bytes, the most that is taken"
