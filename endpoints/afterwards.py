"""What must be done although the request that began it is gone: settling a reservation, keeping an answer."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

T = TypeVar("T")


class Afterwards:
    """Runs small pieces of clean-up to their end, whatever is cancelled around them; `close` waits for the last.

    A client that disconnects cancels its request; a clean-up that awaits would be cancelled with it.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._before_closing: list[Callable[[], None]] = []
        self._log = structlog.get_logger("afterwards")

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of `work`, which goes on by itself if the caller is cancelled while waiting."""
        return await asyncio.shield(self.begin(work))

    def begin(self, work: Coroutine[Any, Any, T], context: contextvars.Context | None = None) -> asyncio.Task[T]:
        """Start `work` without waiting, in the caller's context or in that given; what it fails with is logged."""
        task = asyncio.get_running_loop().create_task(work, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def before_closing(self, begin: Callable[[], None]) -> None:
        """`begin` what has been put off until later when there will be no later."""
        self._before_closing.append(begin)

    async def close(self, *, within_s: float = 10) -> None:
        """Wait for what is still under way, for what was put off, and for what either begins meanwhile."""
        for begin in self._before_closing:
            begin()
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while self._tasks and (left_s := deadline - loop.time()) > 0:
            await asyncio.wait(self._tasks, timeout=left_s)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("a clean-up failed", error=type(error).__name__, reason=str(error))
