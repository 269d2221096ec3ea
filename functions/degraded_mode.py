"""Degraded mode: while the database cannot be reached a little goes on, and is booked when it is back."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import structlog

from functions.callers import Caller
from functions.database_failures import UnexpectedDatabaseError
from functions.failures import Conflict, DatabaseUnavailable, Failure, NotFound, Refused
from functions.ledger import LateUse, Ledger, Outcome, RateState, Work
from functions.local_allowance import LocalAllowance
from functions.usage_outbox import UsageOutbox
from infra.operation_settings import DegradedSettings

BELIEVED_AWAY_S = 2.0
"""So long after the database could not be reached nobody waits for it in vain again."""

SETTLE_EVERY_S = 5.0
"""How often what is noted is tried to be booked."""

LOOK_AGAIN_S = 60.0
"""How often a server that has noted nothing looks for what others have left where it keeps its own."""

DIED: dict[str, Any] = {"cost_usd": 0.0, "finish_reason": "abort", "error": "ServerDied"}
"""The outcome of work that its server took with it."""

NEVER = (NotFound, Conflict, Refused)
"""What the ledger refuses for good: the user is gone."""

_log = structlog.get_logger()


class DegradedMode:
    """Of one server. `outbox` may be other servers' too: what is settled twice is booked once."""

    def __init__(
        self,
        settings: DegradedSettings,
        ledger: Ledger,
        outbox: UsageOutbox,
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.verified_within_s = settings.verified_within_s
        self._allowance = LocalAllowance(settings, clock=clock)
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._now = now
        self._failed_at = float("-inf")
        self._under_way: dict[str, LateUse] = {}
        self._settling = asyncio.Lock()
        self._added = asyncio.Event()

    @property
    def unsettled(self) -> int:
        """How much work is noted and not booked."""
        return len(self._outbox)

    @property
    def is_away(self) -> bool:
        """Whether the database could not be reached a moment ago."""
        return self._clock() - self._failed_at < BELIEVED_AWAY_S

    def failed(self) -> None:
        """The database could not be reached."""
        self._failed_at = self._clock()

    def verified(self, caller: Caller) -> None:
        """The database has vouched for the caller."""
        self._allowance.verified(caller)

    def take(self, caller: Caller) -> RateState:
        """Count a request that costs nothing. Raises `DatabaseUnavailable` for who is not known, `RateLimited`."""
        return self._allowance.take(caller)

    async def reserve(self, caller: Caller, work: Work) -> RateState:
        """Let work begin that costs money, and note that it has.

        Raises as `take` does, and `BudgetExceeded`, and `DatabaseUnavailable` where no more can be noted.
        """
        limit = self._allowance.take(caller)
        if self._outbox.is_full:
            raise DatabaseUnavailable("the database", "and no more can be noted until it is back", 60)
        use = self._use(caller, work)
        self._allowance.hold(use)
        self._under_way[use.id] = use
        try:
            await self._outbox.put(use)
        except BaseException as error:
            await self._forget(use)
            if isinstance(error, OSError):
                raise DatabaseUnavailable("the database", "and nothing can be noted here", 60) from error
            raise
        return limit

    async def settle(self, work_id: str, outcome: Outcome) -> None:
        """Note what came of reserved work."""
        await self._finish(self._under_way[work_id], vars(outcome))

    async def release(self, work_id: str, *, error: str | None = None) -> None:
        """Note that reserved work has used nothing."""
        await self._finish(self._under_way[work_id], {"released": True, "error": error})

    async def keep(self, caller: Caller, work: Work, seconds: float, outcome: dict[str, Any]) -> None:
        """Note what came of work that the database has let begin `seconds` ago, and cannot be told of."""
        began_at = datetime.fromtimestamp(self._now().timestamp() - seconds, UTC)
        use = self._use(caller, work).model_copy(update={"began_at": began_at, "outcome": outcome})
        await self._note(use)

    async def drain(self) -> int:
        """Book what is noted; how much is left. Stops where the database cannot be reached."""
        async with self._settling:
            entries = await self._outbox.entries()
            self._allowance.left({*self._under_way, *(use.id for use in entries)})
            for use in entries:
                self._allowance.noted(use)  # if it is of an earlier process, nothing is known of it yet
                if use.outcome is None and not self._is_dead(use):
                    continue
                try:
                    await self._ledger.settle_late(use.model_copy(update={"outcome": use.outcome or DIED}))
                except DatabaseUnavailable:
                    break
                except NEVER as failure:
                    await self._outbox.set_aside(use, str(failure))
                except (Failure, UnexpectedDatabaseError) as failure:
                    _log.exception("late use is not booked yet", id=use.id, reason=str(failure))
                    continue
                else:
                    await self._outbox.remove(use)
                    _log.info("late use is booked", id=use.id, usd=use.usd)
                self._allowance.settled(use)
            return len(self._outbox)

    async def keep_settling(self) -> None:
        """For as long as the server runs: book what is noted, by it or by others, as soon as it can be."""
        while True:
            self._added.clear()
            try:
                left = await self.drain()
            except OSError:
                _log.exception("the outbox cannot be read, or not be kept")
                left = self.unsettled
            if left:
                await asyncio.sleep(SETTLE_EVERY_S)
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._added.wait(), LOOK_AGAIN_S)

    def _use(self, caller: Caller, work: Work) -> LateUse:
        described = dict(vars(work))
        return LateUse(
            id=described.pop("id"), user_id=caller.user_id, key_id=caller.key_id, began_at=self._now(), work=described
        )

    async def _finish(self, use: LateUse, outcome: dict[str, Any]) -> None:
        try:
            await self._note(use.model_copy(update={"outcome": outcome}))
        finally:
            del self._under_way[use.id]

    async def _note(self, use: LateUse) -> None:
        """A note that fails is logged with what it would have said: the work is done, and its answer good."""
        self._allowance.noted(use)
        try:
            await self._outbox.put(use)
        except OSError:
            _log.exception("use may not be noted", id=use.id, user_id=use.user_id, usd=use.usd)
        self._added.set()

    async def _forget(self, use: LateUse) -> None:
        del self._under_way[use.id]
        self._allowance.settled(use)
        try:
            await self._outbox.remove(use)
        except OSError:
            _log.exception("the note of work that did not begin may come back", id=use.id)

    def _is_dead(self, use: LateUse) -> bool:
        """Whether its server has not come to its end in time: it is not this one's, or was lost by it."""
        age_s = (self._now() - use.began_at).total_seconds()
        return use.id not in self._under_way and age_s > float(use.work["expires_in_s"])
