"""Telling the ledger what work has cost: after the answer, in one call for what a user has that ends close together."""

import asyncio
import contextvars
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog

from endpoints.afterwards import Afterwards
from functions.callers import Caller
from functions.database_failures import UnexpectedDatabaseError
from functions.degraded_mode import DegradedMode
from functions.failures import DatabaseUnavailable, Failure
from functions.ledger import MOST_TOGETHER, Ledger, Outcome, Work

TOGETHER_S = 0.05
"""How long the first of some settlements waits for others. A server that is killed meanwhile has charged for none."""

SOON_S = 0.001
"""The same where the user's places may become few: the answer is sent by then."""

TOLD_AGAIN_AFTER_S = (1, 2, 4, 8, 15, 30, 60)
"""A database that comes back within this time, two minutes in all, loses no cost."""

Telling = Callable[[], Coroutine[Any, Any, None]]
_log = structlog.get_logger("settlements")


@dataclass(frozen=True)
class Begun:
    """Work of a caller's that the ledger has let begin."""

    caller: Caller
    work: Work
    at: float = field(default_factory=time.monotonic)


Ended = tuple[Begun, Outcome]


@dataclass(slots=True, eq=False)
class _OfUser:
    """What one user has under way: how much is `running`, what has ended and waits, and calls that are being made."""

    running: int = 0
    waiting: list[Ended] = field(default_factory=list)
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    is_soon: bool = False
    context: contextvars.Context | None = None
    """That of the first that waits: the call is in its trace."""


class Settlements:
    """Of one server. `at_once` is how much of a user's work may be under way: no more than half of it is left waiting.

    Each call is made for one user, by that user's acting token. What the ledger cannot be told goes to `degraded`
    mode's outbox; without it, it is told again for two minutes.
    """

    def __init__(
        self,
        ledger: Ledger,
        afterwards: Afterwards,
        degraded: DegradedMode | None,
        *,
        at_once: int,
        together_s: float = TOGETHER_S,
    ) -> None:
        self._ledger = ledger
        self._afterwards = afterwards
        self._degraded = degraded
        self._many = max(1, at_once // 2)
        self._together_s = together_s
        self._users: dict[str, _OfUser] = {}
        afterwards.before_closing(self._tell_everything)

    def begin(self, begun: Begun) -> None:
        """Its user has one more piece of work under way, until it is told here how it ended."""
        user = self._users.setdefault(begun.caller.user_id, _OfUser())
        user.running += 1
        if user.waiting:
            self._schedule(begun.caller.user_id, user)

    def put_off(self, begun: Begun, outcome: Outcome) -> None:
        """Tell the ledger in a moment, with what else of the user's ends until then."""
        user_id = begun.caller.user_id
        user = self._users[user_id]
        user.running -= 1
        if not user.waiting:
            user.context = contextvars.copy_context()
        user.waiting.append((begun, outcome))
        if len(user.waiting) == MOST_TOGETHER:
            self._tell_waiting(user_id, user)
        else:
            self._schedule(user_id, user)

    async def settle(self, begun: Begun, outcome: Outcome) -> None:
        """Tell the ledger now, also if the caller is cancelled meanwhile."""
        await self._now(begun, partial(self._ledger.settle, begun.caller, begun.work.id, outcome), vars(outcome))

    async def release(self, begun: Begun, error: str | None) -> None:
        """Tell the ledger now that nothing was used, because of `error` where there was one."""
        telling = partial(self._ledger.release, begun.caller, begun.work.id, error=error)
        await self._now(begun, telling, {"released": True, "error": error})

    async def do_now(self, user_id: str) -> bool:
        """Tell the ledger what has been put off for the user, and wait until it is told. Whether there was anything."""
        user = self._users.get(user_id)
        if user is None:
            return False
        self._tell_waiting(user_id, user)
        if calls := set(user.calls):
            await asyncio.wait(calls)
        return bool(calls)

    def _schedule(self, user_id: str, user: _OfUser) -> None:
        is_soon = len(user.waiting) + user.running >= self._many
        if user.timer is not None:
            if user.is_soon or not is_soon:
                return
            user.timer.cancel()
        after_s = SOON_S if is_soon else self._together_s
        user.timer = asyncio.get_running_loop().call_later(after_s, self._tell_waiting, user_id, user)
        user.is_soon = is_soon

    def _tell_everything(self) -> None:
        for user_id, user in list(self._users.items()):
            self._tell_waiting(user_id, user)

    def _tell_waiting(self, user_id: str, user: _OfUser) -> None:
        """Begin the call for what waits."""
        if user.timer is not None:
            user.timer.cancel()
            user.timer = None
        if not user.waiting:
            return
        together, user.waiting = user.waiting, []
        call = self._afterwards.begin(self._tell(together), user.context)
        user.calls.add(call)

        def done(_: object) -> None:
            user.calls.discard(call)
            self._forget(user_id, user)

        call.add_done_callback(done)

    def _forget(self, user_id: str, user: _OfUser) -> None:
        if not (user.running or user.waiting or user.calls):
            del self._users[user_id]

    async def _now(self, begun: Begun, telling: Telling, outcome: dict[str, Any]) -> None:
        user = self._users[begun.caller.user_id]
        user.running -= 1
        self._forget(begun.caller.user_id, user)

        async def tell() -> None:
            try:
                await telling()
            except DatabaseUnavailable:
                self._afterwards.begin(self._tell_later(begun, telling, outcome))

        await self._afterwards.finish(tell())

    async def _tell(self, together: Sequence[Ended]) -> None:
        """What cannot be told goes its own way, each for itself."""
        for (begun, outcome), failure in zip(together, await self._failures(together), strict=True):
            if isinstance(failure, DatabaseUnavailable):
                telling = partial(self._ledger.settle, begun.caller, begun.work.id, outcome)
                self._afterwards.begin(self._tell_later(begun, telling, vars(outcome)))
            elif failure is not None:
                _log.warning("not settled", id=begun.work.id, error=type(failure).__name__, reason=str(failure))

    async def _failures(self, together: Sequence[Ended]) -> Sequence[BaseException | None]:
        """Of each. Values that the database cannot even read fail a whole call: then each has a call of its own."""
        caller = together[0][0].caller
        if len(together) > 1:
            try:
                return await self._ledger.settle_many(caller, [(begun.work.id, outcome) for begun, outcome in together])
            except DatabaseUnavailable as away:
                return [away] * len(together)
            except (Failure, UnexpectedDatabaseError) as fault:
                _log.warning("not settled together", error=type(fault).__name__, reason=str(fault))
        return [await self._failure(begun, outcome) for begun, outcome in together]

    async def _failure(self, begun: Begun, outcome: Outcome) -> BaseException | None:
        try:
            await self._ledger.settle(begun.caller, begun.work.id, outcome)
        except (Failure, UnexpectedDatabaseError) as failure:
            return failure
        return None

    async def _tell_later(self, begun: Begun, telling: Telling, outcome: dict[str, Any]) -> None:
        if self._degraded is None:
            return await told(telling)
        return await self._degraded.keep(begun.caller, begun.work, time.monotonic() - begun.at, outcome)


async def told(what: Telling) -> None:
    """Tell the ledger, again and again while it cannot be reached."""
    for wait_s in TOLD_AGAIN_AFTER_S:
        with suppress(DatabaseUnavailable):
            return await what()
        await asyncio.sleep(wait_s)
    return await what()
