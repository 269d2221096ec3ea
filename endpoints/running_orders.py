"""Orders that this process is working on: they outlive the page or stream that gave them, and can be followed again.

What is done is stored with its session, step by step; here is only what is under way, for whoever looks. When the
process ends, its orders end with it, and their sessions say so.
"""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import structlog

from endpoints.server_sent_events import Event
from endpoints.work import Emit
from functions.failures import Failure, Unavailable

Stage = Literal["asked", "specification", "code", "checks", "done", "failed"]
AT_ONCE = 200
_REMEMBERED = 20
"""Orders whose times estimates are made from."""


@dataclass
class RunningOrder:
    """One order of a user on its way. `number` grows with every change; `failure` is why it ended before its end.

    `specification` is the JSON that the model has written so far, `code` what it has of each candidate of `round`.
    `events` are all there were so far; their ids count them, from 1.
    """

    user_id: str
    stage: Stage = "asked"
    session_id: str = ""
    version: int = 0
    began: float = field(default_factory=time.monotonic)
    stage_began: float = field(default_factory=time.monotonic)
    expected_s: float | None = None
    specification: str = ""
    code: dict[int, str] = field(default_factory=dict)
    round: int = 0
    candidates: list[dict[str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    failure: Failure | None = None
    number: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will change."""
        return self.stage in {"done", "failed"}

    @property
    def seconds(self) -> float:
        """Since it was given."""
        return time.monotonic() - self.began

    async def after(self, number: int) -> None:
        """Wait for a change that came after the one numbered `number`."""
        while self.number <= number and not self.has_ended:
            await self._changed.wait()

    async def events_after(self, number: int) -> AsyncIterator[Event]:
        """Every event with a greater id, past ones first, until the end. Raises what the order failed with."""
        while True:
            for event in self.events[number:]:
                yield event
                number += 1
            if self.has_ended and number >= len(self.events):
                break
            if number >= len(self.events):
                await self._changed.wait()
        if self.failure is not None:
            raise self.failure

    def note(self, event: Event) -> None:
        """Take in what the work tells."""
        self.events.append(replace(event, id=str(len(self.events) + 1)))
        data = event.data
        match event.event:
            case "session":
                self.session_id, self.version = data["session"]["id"], data["session"]["version"]
            case "specifying":
                self._enter("specification")
            case "implementing":
                self._enter("code")
                self.round, self.code = data["round"], {}
            case "delta" if self.stage == "specification":
                self.specification += data["text"]
            case "delta":
                self.code[data["index"]] = self.code.get(data["index"], "") + data["text"]
            case "candidate":
                self._enter("checks")
                self.candidates.append(data)
            case "ir" | "code":
                self.version = data["session"]["version"]
        self.tell()

    def end(self, stage: Stage, failure: Failure | None = None) -> None:
        """Nothing comes after this."""
        self.failure = failure
        self._enter(stage)
        self.tell()

    def tell(self) -> None:
        """Wake all who wait for a change."""
        self.number += 1
        self._changed.set()
        self._changed = asyncio.Event()

    def _enter(self, stage: Stage) -> None:
        if stage != self.stage:
            self.stage, self.stage_began = stage, time.monotonic()


class RunningOrders:
    """At most `AT_ONCE`; how many one user may have is the ledger's to say."""

    def __init__(self) -> None:
        self._orders: dict[str, RunningOrder] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)

    async def start(self, do: Callable[[Emit[Event]], Awaitable[None]], *, user_id: str) -> RunningOrder:
        """Begin, and return when the order is stored. Raises what `do` fails with before that, `Unavailable`."""
        if len(self._tasks) >= AT_ONCE:
            raise Unavailable("this server", "it works on as many orders as it can", retry_after_s=10)
        order = RunningOrder(user_id, expected_s=statistics.median(self._durations) if self._durations else None)
        stored = asyncio.Event()

        async def emit(event: Event) -> None:
            order.note(event)
            if event.event == "session":
                self._orders[order.session_id] = order
                stored.set()

        task = asyncio.create_task(self._run(do, emit, order))
        self._starting.add(task)
        task.add_done_callback(self._starting.discard)
        waiting = asyncio.create_task(stored.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if not stored.is_set():
            await task  # raises, or was cancelled
        self._tasks[order.session_id] = task
        task.add_done_callback(lambda _: self._forget(order))
        return order

    def of(self, session_id: str) -> RunningOrder | None:
        """The order for this session that is under way here."""
        order = self._orders.get(session_id)
        return None if order is None or order.has_ended else order

    async def stop(self, session_id: str) -> None:
        """Stop the work on a session, and wait until that is stored. Nothing happens when there is none."""
        if task := self._tasks.get(session_id):
            task.cancel()
            await asyncio.wait({task})

    async def close(self) -> None:
        """Stop all work, and wait until that is stored."""
        tasks = {*self._tasks.values(), *self._starting}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def __iter__(self) -> Iterator[RunningOrder]:
        return iter(list(self._orders.values()))

    async def _run(self, do: Callable[[Emit[Event]], Awaitable[None]], emit: Emit[Event], order: RunningOrder) -> None:
        try:
            await do(emit)
        except asyncio.CancelledError:
            order.end("failed", Unavailable("the work", "it was stopped"))
            raise
        except Failure as failure:
            order.end("failed", failure)
            if not order.session_id:
                raise
        except Exception:  # whoever follows the order must hear of its end, whatever ended it
            order.end("failed", Unavailable("the work", "something went wrong on our side"))
            if not order.session_id:
                raise
            structlog.get_logger("errors").exception("unexpected error", session_id=order.session_id)
        else:
            self._durations.append(order.seconds)
            order.end("done")

    def _forget(self, order: RunningOrder) -> None:
        with suppress(KeyError):
            if self._orders[order.session_id] is order:
                del self._orders[order.session_id], self._tasks[order.session_id]
