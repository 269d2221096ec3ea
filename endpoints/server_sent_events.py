"""Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) as a response, never buffered."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from endpoints.problems import UNEXPECTED, Problem, problem_for
from endpoints.work import ClientGone, Work
from functions.failures import Failure

MEDIA_TYPE = "text/event-stream"
KEEPALIVE = b": keepalive\n\n"
KEEPALIVE_S = 15.0
"""Shorter than the idle limits of the proxies that stand between (60 s is common)."""
UNREAD_S = 60.0
"""A reader may be slow; one to whom nothing more can be handed for so long is taken for gone: others need its place."""


@dataclass(frozen=True)
class Event:
    """One event; `data` is sent as JSON on one line. `event` None is an event of the default type, without a name."""

    event: str | None
    data: Any
    id: str | None = None

    def encoded(self) -> bytes:
        """The event as it goes over the wire."""
        data = json.dumps(self.data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        identity = f"id: {self.id}\n" if self.id is not None else ""
        name = f"event: {self.event}\n" if self.event is not None else ""
        return f"{identity}{name}data: {data}\n\n".encode()


FailedEvent = Callable[[Problem, Scope], Event]
"""What a stream ends with when its work fails."""


def problem_event(problem: Problem, scope: Scope) -> Event:
    """An event `error` whose data is the problem document."""
    return Event("error", problem.document(scope))


class EventStream(Response):
    """Sends the events of `work` as they come, a comment when there is nothing to say for a while.

    A failure in mid-stream becomes the event that `failed` makes of it, and ends the stream. When the client goes away,
    or takes nothing more for `unread_s`, the work is stopped at once, and its clean-up is waited for. Where it only
    follows what goes on by itself, `whole` waits for the end of that, and gives the stream as it was sent to who
    stayed; None when it failed.
    """

    media_type = MEDIA_TYPE
    charset = "utf-8"

    def __init__(
        self,
        work: Work[Event],
        *,
        status_code: int = 200,
        headers: dict[str, str] | None = None,
        keepalive_s: float = KEEPALIVE_S,
        unread_s: float = UNREAD_S,
        failed: FailedEvent = problem_event,
        whole: Callable[[], Awaitable[bytes | None]] | None = None,
    ) -> None:
        super().__init__(status_code=status_code, headers={**(headers or {}), "x-accel-buffering": "no"})
        del self.headers["content-length"]
        self.background = None
        self.completed = False  # at its end without a failure, to a client that waited
        self.whole = whole
        self._work = work
        self._keepalive_s = keepalive_s
        self._unread_s = unread_s
        self._failed = failed

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                async with asyncio.timeout(self._unread_s):
                    await send(message)
            except TimeoutError:
                raise ClientGone from None

        async with self._work:
            with contextlib.suppress(ClientGone):
                await self._send_all(scope, send_in_time)

    async def _send_all(self, scope: Scope, send: Send) -> None:
        async def send_chunk(chunk: bytes) -> None:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})

        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await self._send_events(send_chunk)
            self.completed = True
        except ClientGone:
            raise
        except Failure as failure:
            problem = problem_for(failure)
            problem.count()
            await send_chunk(self._failed(problem, scope).encoded())
        except Exception:  # noqa: BLE001 - logged; the status has been sent: what is left is to say so here
            structlog.get_logger("errors").exception("unexpected error", method=scope["method"], started=True)
            UNEXPECTED.count()
            await send_chunk(self._failed(UNEXPECTED, scope).encoded())
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_events(self, send_chunk: Callable[[bytes], Awaitable[None]]) -> None:
        while True:
            try:
                async with asyncio.timeout(self._keepalive_s):
                    event = await self._work.next()
            except TimeoutError:
                await send_chunk(KEEPALIVE)
                continue
            if event is None:
                return
            await send_chunk(event.encoded())


def wants_events(request: Request) -> bool:
    """Whether the client asked for a stream (`Accept: text/event-stream`) rather than for one JSON document."""
    accepted = request.headers.get("accept", "")
    return any(part.partition(";")[0].strip().lower() == MEDIA_TYPE for part in accepted.split(","))
