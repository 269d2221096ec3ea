"""Orders that this process is working on: they outlive the page or stream that gave them, and can be followed again.

What is done is stored with its session, step by step; here is only what is under way, for whoever looks. When the
process ends, its orders end with it, and their sessions say so.
"""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import structlog

from endpoints.server_sent_events import Event
from endpoints.work import Emit
from functions.failures import Conflict, Failure, Unavailable

Stage = Literal["asked", "specification", "code", "checks", "done", "failed"]
AT_ONCE = 200
_REMEMBERED = 20
"""Orders whose times estimates are made from."""


class WorkUnderWay(Conflict):
    """There is an order for this session already."""

    def __init__(self, session_id: str) -> None:
        work = f"/api/sessions/{session_id}/work"
        super().__init__("work on this session is under way; wait for its end", {"work": work})


@dataclass(eq=False)
class RunningOrder:
    """One order of a user on its way. `number` grows with every change; `failure` is why it ended before its end.

    `stored` is set from when its session is in the database, and says which one: nobody is told of it before.
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
    is_stopping: bool = False
    stored: asyncio.Event = field(default_factory=asyncio.Event)
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
                self.stored.set()
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
    """At most `AT_ONCE`, one for a session; how many one user may have is the ledger's to say."""

    def __init__(self) -> None:
        self._tasks: dict[RunningOrder, asyncio.Task[None]] = {}
        self._of_sessions: dict[str, RunningOrder] = {}
        self._durations: deque[float] = deque(maxlen=_REMEMBERED)

    async def start(
        self, do: Callable[[Emit[Event]], Awaitable[None]], *, user_id: str, session_id: str = ""
    ) -> RunningOrder:
        """Begin, and return when the order is stored; `session_id` where it is for a session that is there.

        Raises `WorkUnderWay`, `Unavailable`, and what `do` fails with before the order is stored.
        """
        # From here to where the session has its new order nothing is waited for: of two at once, one is refused.
        if (other := self._of_sessions.get(session_id)) and not other.has_ended:
            raise WorkUnderWay(session_id)
        if len(self._tasks) >= AT_ONCE:
            raise Unavailable("this server", "it works on as many orders as it can", retry_after_s=10)
        expected_s = statistics.median(self._durations) if self._durations else None
        order = RunningOrder(user_id, session_id=session_id, expected_s=expected_s)
        if session_id:
            self._of_sessions[session_id] = order
        task = self._tasks[order] = asyncio.create_task(self._run(do, order))
        task.add_done_callback(lambda _: self._forget(order))
        stored = asyncio.create_task(order.stored.wait())
        try:
            await asyncio.wait({task, stored}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            self._cancel(order)  # nobody could ever be told of it
            raise
        finally:
            stored.cancel()
        if not order.stored.is_set():
            await task  # raises, or was cancelled
        return order

    def of(self, session_id: str) -> RunningOrder | None:
        """The order for this session that is under way here."""
        order = self._of_sessions.get(session_id)
        return order if order is not None and order.stored.is_set() and not order.has_ended else None

    async def stop(self, order: RunningOrder) -> None:
        """Stop the work on it, and wait until that is stored. Nothing happens when it has ended."""
        self._cancel(order)
        if task := self._tasks.get(order):
            await asyncio.wait({task})

    async def stop_of(self, session_id: str) -> None:
        """Stop the work on a session. Nothing happens where there is none."""
        if order := self.of(session_id):
            await self.stop(order)

    async def close(self) -> None:
        """Stop all work, and wait until that is stored."""
        await asyncio.gather(*map(self.stop, list(self._tasks)))

    def __iter__(self) -> Iterator[RunningOrder]:
        return iter([order for order in self._tasks if order.stored.is_set()])

    async def _run(self, do: Callable[[Emit[Event]], Awaitable[None]], order: RunningOrder) -> None:
        async def emit(event: Event) -> None:
            order.note(event)
            if event.event == "session":
                self._of_sessions[order.session_id] = order

        try:
            await do(emit)
        except asyncio.CancelledError:
            order.end("failed", Unavailable("the work", "it was stopped"))
            raise
        except Failure as failure:
            order.end("failed", failure)
            if not order.stored.is_set():
                raise
        except Exception:  # whoever follows the order must hear of its end, whatever ended it
            order.end("failed", Unavailable("the work", "something went wrong on our side"))
            if not order.stored.is_set():
                raise
            structlog.get_logger("errors").exception("unexpected error", session_id=order.session_id)
        else:
            self._durations.append(order.seconds)
            order.end("done")

    def _cancel(self, order: RunningOrder) -> None:
        # A second cancellation would hit the clean-up that the first one began.
        if (task := self._tasks.get(order)) and not order.is_stopping:
            order.is_stopping = True
            task.cancel()

    def _forget(self, order: RunningOrder) -> None:
        del self._tasks[order]
        if self._of_sessions.get(order.session_id) is order:
            del self._of_sessions[order.session_id]
