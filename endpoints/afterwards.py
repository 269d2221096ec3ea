"""What must be done although the request that began it is gone: settling a reservation, keeping an answer."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

T = TypeVar("T")
_STATE = "put_off"
LONGEST_S = 5.0
"""Far less than a reservation lasts whose server is taken for dead."""


class Afterwards:
    """Runs small pieces of clean-up to their end, whatever is cancelled around them; `close` waits for the last.

    A client that disconnects cancels its request; a clean-up that awaits would be cancelled with it. What nobody's
    answer needs is `put_off` until the answer has been sent, `longest_s` at most (a client may be slow to take it); who
    needs it done can ask for it (`do_now`).
    """

    def __init__(self, *, longest_s: float = LONGEST_S) -> None:
        self._longest_s = longest_s
        self._tasks: set[asyncio.Task[Any]] = set()
        self._put_off: dict[str, set[_PutOff]] = {}
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

    def put_off(self, scope: Scope, user_id: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Do `work` for the user once the request of `scope` has been answered. False: it has been, do it yourself."""
        waiting: list[_PutOff] | None = scope.get("state", {}).get(_STATE)
        if waiting is None:
            return False
        one = _PutOff(self, user_id, work, self._longest_s)
        waiting.append(one)
        self._put_off.setdefault(user_id, set()).add(one)
        return True

    async def do_now(self, user_id: str) -> bool:
        """Do what has been put off for the user, and wait until it is done. Whether there was anything."""
        tasks = {one.begin() for one in self._put_off.get(user_id, ())}
        if tasks:
            await asyncio.wait(tasks)
        return bool(tasks)

    def forget(self, one: "_PutOff") -> None:
        """It is done."""
        others = self._put_off[one.user_id]
        others.discard(one)
        if not others:
            del self._put_off[one.user_id]

    async def close(self, *, within_s: float = 10) -> None:
        """Wait for what is still under way."""
        for user_id in list(self._put_off):
            for one in self._put_off[user_id]:
                one.begin()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.warning("a clean-up failed", error=type(error).__name__, reason=str(error))


class _PutOff:
    """A piece of work that has not begun, with the context (trace, request's id) that it was put off in."""

    def __init__(
        self, afterwards: Afterwards, user_id: str, work: Callable[[], Coroutine[Any, Any, None]], longest_s: float
    ) -> None:
        self.user_id = user_id
        self._afterwards = afterwards
        self._work = work
        self._context = contextvars.copy_context()
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(longest_s, self.begin)

    def begin(self) -> asyncio.Task[None]:
        """Once, however often it is asked for."""
        if self._task is None:
            self._timer.cancel()
            self._task = self._afterwards.begin(self._work(), self._context)
            self._task.add_done_callback(lambda _: self._afterwards.forget(self))
        return self._task


class AfterAnswerMiddleware:
    """Begins what was put off when the last byte of the answer has been handed over, and waits for it.

    Outermost: neither the log's duration nor the trace's is that of what nobody waits for. A server that shuts down
    waits for its requests, and with them for this.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        waiting: list[_PutOff] = []
        state = scope.setdefault("state", {})
        state[_STATE] = waiting
        try:
            await self.app(scope, receive, send)
        finally:
            state[_STATE] = None
            if tasks := [one.begin() for one in waiting]:
                await asyncio.wait(tasks)
