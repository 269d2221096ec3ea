"""What one server lets a caller do without asking the database: little, and only who was vouched for lately."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass

from functions.callers import Caller
from functions.failures import BudgetExceeded, DatabaseUnavailable, RateLimited
from functions.ledger import MINUTE_S, LateUse, RateState
from infra.operation_settings import DegradedSettings

POLICY = "degraded"
CAPACITY = 10_000

Identity = tuple[str, str | None]
"""A user, and the API key where one was used."""


@dataclass
class _Known:
    """`tokens` are requests that may be made at `counted_at`."""

    verified_at: float
    tokens: float
    counted_at: float


class LocalAllowance:
    """By caller: when the database vouched for it, what it may still ask, and what it has left unsettled."""

    def __init__(self, settings: DegradedSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._known: OrderedDict[Identity, _Known] = OrderedDict()
        self._unsettled: dict[str, dict[str, float]] = {}  # dollars by work, by user

    def verified(self, caller: Caller) -> None:
        """The database has just vouched for the caller."""
        now = self._clock()
        known = self._known.setdefault(
            (caller.user_id, caller.key_id), _Known(now, self._settings.requests_per_minute, now)
        )
        known.verified_at = now
        self._known.move_to_end((caller.user_id, caller.key_id))
        while len(self._known) > CAPACITY:
            self._known.popitem(last=False)

    def take(self, caller: Caller) -> RateState:
        """Count a request. Raises `DatabaseUnavailable` for who was not vouched for lately, `RateLimited`."""
        known = self._known.get((caller.user_id, caller.key_id))
        now, quota = self._clock(), self._settings.requests_per_minute
        if known is None or now - known.verified_at > self._settings.verified_within_s:
            raise DatabaseUnavailable("the database", "and you were not here in the last minutes", 30)
        rate = quota / MINUTE_S
        known.tokens = min(quota, known.tokens + (now - known.counted_at) * rate)
        known.counted_at = now
        if known.tokens < 1:
            raise RateLimited(POLICY, quota, MINUTE_S, 0, round((1 - known.tokens) / rate, 3))
        known.tokens -= 1
        return RateState(
            policy=POLICY,
            quota=quota,
            window_s=MINUTE_S,
            remaining=int(known.tokens),
            reset_s=(quota - known.tokens) / rate,
        )

    def hold(self, use: LateUse) -> None:
        """The user leaves this unsettled as well. Raises `BudgetExceeded` for more than the allowance."""
        held = sum(self._unsettled.get(use.user_id, {}).values())
        if held + use.usd > self._settings.allowance_usd:
            raise BudgetExceeded("outage of the database", self._settings.allowance_usd, held)
        self.noted(use)

    def noted(self, use: LateUse) -> None:
        """It is unsettled, at what it is now known to have cost."""
        self._unsettled.setdefault(use.user_id, {})[use.id] = use.usd

    def settled(self, use: LateUse) -> None:
        """It is unsettled no more."""
        of_user = self._unsettled.get(use.user_id, {})
        of_user.pop(use.id, None)
        if not of_user:
            self._unsettled.pop(use.user_id, None)

    def left(self, works: Collection[str]) -> None:
        """Nothing but these works is unsettled still: another server has booked the rest."""
        self._unsettled = {
            user: left
            for user, held in self._unsettled.items()
            if (left := {work: usd for work, usd in held.items() if work in works})
        }
