"""A request's work as a stream of events that stops the moment nobody waits for it any more."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request
from starlette.types import Receive

T = TypeVar("T")
Emit = Callable[[T], Awaitable[None]]
"""Hands an event to whoever reads; waits when they are slow."""

_AHEAD = 32
"""Events that may wait for a slow reader before the work has to wait for it."""


class ClientGone(Exception):  # noqa: N818 - a fact about the other side, not an error of ours
    """The client closed the connection; there is nobody to answer."""


@dataclass(frozen=True)
class _End:
    error: BaseException | None


class Work(Generic[T]):
    """Runs `do` in a task of its own, and watches the connection meanwhile; `do` emits events as it goes.

    The work lives in one task from its first step to its last, so that time limits inside it hold, and whoever reads
    can wait with a limit without touching it. When the client goes away the task is cancelled at once: its `finally`
    blocks run (a generation is aborted, a reservation settled), and readers get `ClientGone`.

    Use as a context manager, or hand it to an `EventStream`, which closes it. The request's body must have been read.
    """

    def __init__(self, do: Callable[[Emit[T]], Awaitable[None]], request: Request) -> None:
        self._ready: asyncio.Queue[T | _End] = asyncio.Queue(_AHEAD)
        self._first: T | None = None
        self._client_gone = False
        self._stopping = False
        self._task = asyncio.create_task(self._run(do))
        self._watch = asyncio.create_task(self._stop_when_gone(request.receive))

    async def __aenter__(self) -> "Work[T]":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def begin(self) -> T:
        """Wait for the first event, or raise what the work failed with: while the status can still be chosen.

        The event is answered, and stays the next one to be read. Raises `ValueError` when there is none.
        """
        try:
            first = await self.next()
        except BaseException:
            await self.close()
            raise
        if first is None:
            raise ValueError("work without an event has nothing to answer with")
        self._first = first
        return first

    async def next(self) -> T | None:
        """The next event; None at the end. Raises what the work failed with, `ClientGone`. Safe to cancel."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        item = await self._ready.get()
        if not isinstance(item, _End):
            return item
        self._ready.put_nowait(item)  # whoever asks again is told again
        if self._client_gone:
            raise ClientGone
        if isinstance(item.error, asyncio.CancelledError):
            raise RuntimeError("the work was cancelled from within")  # noqa: TRY004 - not about types
        if item.error is not None:
            raise item.error
        return None

    async def __aiter__(self) -> AsyncIterator[T]:
        while (event := await self.next()) is not None:
            yield event

    async def close(self) -> None:
        """Stop the work if it is still going, and wait until its `finally` blocks have run."""
        self._stop()
        self._watch.cancel()
        await asyncio.wait({self._task, self._watch})

    async def _run(self, do: Callable[[Emit[T]], Awaitable[None]]) -> None:
        error: BaseException | None = None
        try:
            await do(self._ready.put)
        except BaseException as raised:  # noqa: BLE001 - it is not swallowed: the reader gets it, whatever it is
            error = raised
        if not isinstance(error, asyncio.CancelledError):
            with contextlib.suppress(asyncio.CancelledError):  # the client leaves while a slow reader is waited for
                await self._ready.put(_End(error))
                return
        if self._ready.full():
            self._ready.get_nowait()  # nobody reads on; the end must fit
        self._ready.put_nowait(_End(error))

    async def _stop_when_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._client_gone = True
        self._stop()

    def _stop(self) -> None:
        if not self._stopping:  # a second cancellation would hit the clean-up that the first one began
            self._stopping = True
            self._task.cancel()
