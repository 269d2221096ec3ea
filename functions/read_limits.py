"""The rate of requests that cost nothing, true across servers, without asking the database for each of them.

A server takes a user's tokens from the database's bucket by the handful and gives them out itself. What it does not
give out is lost: a user of several servers may be refused a few requests early, and is never let through too late.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from functions.callers import Caller
from functions.failures import DatabaseUnavailable
from functions.ledger import Ledger, RateState

SHARE = 20
"""A handful is this part of a quota: at 100 a minute, 5."""
MOST = 10
KEPT_S = 10.0
"""Tokens that nobody asked for in this time are not given out any more: the bucket has been refilled meanwhile."""
SLOW_S = 0.1
"""A database that takes so long to fail is not asked again by who has waited for it: they would wait in turn."""
CAPACITY = 10_000


@dataclass
class _Handful:
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    left: int = 0
    taken_at: float = float("-inf")
    state: RateState | None = None
    heard: int = 0
    """How often there was an answer, or a database that let those wait who asked."""
    away: DatabaseUnavailable | None = None
    """The last time it was the latter."""


class ReadLimits:
    """Every user's rate; `quota` is the default, in a minute."""

    def __init__(self, ledger: Ledger, quota: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ledger = ledger
        self._tokens = max(1, min(MOST, quota // SHARE))
        self._clock = clock
        self._known: OrderedDict[str, _Handful] = OrderedDict()

    async def take(self, caller: Caller) -> RateState:
        """Count one request of the caller; the rate as it is then. Raises `RateLimited`, `DatabaseUnavailable`."""
        handful = self._of(caller.user_id)
        while True:
            if handful.state is not None and handful.left > 0 and self._clock() - handful.taken_at < KEPT_S:
                handful.left -= 1
                return handful.state.model_copy(update={"remaining": handful.state.remaining + handful.left})
            seen = handful.heard
            async with handful.asking:
                if handful.heard == seen:
                    await self._ask(caller, handful)
                elif handful.away is not None:
                    raise handful.away  # what somebody else has waited for meanwhile

    async def _ask(self, caller: Caller, handful: _Handful) -> None:
        began = self._clock()
        try:
            handful.state = await self._ledger.take_read(caller, tokens=self._tokens)
        except DatabaseUnavailable as away:
            if self._clock() - began >= SLOW_S:
                handful.away = away
                handful.heard += 1
            raise
        handful.left, handful.taken_at, handful.away = handful.state.taken, self._clock(), None
        handful.heard += 1

    def _of(self, user_id: str) -> _Handful:
        handful = self._known.setdefault(user_id, _Handful())
        self._known.move_to_end(user_id)
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)
        return handful
