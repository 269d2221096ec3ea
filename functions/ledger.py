"""Limits, budgets and the ledger: asked before work that costs money, told after it.

The estimate is reserved before and settled after, in the database, so that a budget holds across containers and under
concurrency. A reservation whose server died is released by the user's next admission, or by a scheduled job.
"""

import uuid
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from functions.callers import ActingToken, Caller
from functions.database import Database
from functions.database_failures import UnexpectedDatabaseError, failure_of
from functions.failures import DatabaseUnavailable, Failure
from functions.generation import FinishReason
from functions.identities import identity
from infra.settings import LimitSettings

MINUTE_S = 60
HOUR_S = 3600
MOST_UNDER_WAY = 10_000
MOST_TOGETHER = 50
"""Of settlements in one call: the database refuses a few more."""

Period = Literal["day", "month"]


# Longer than any generation may take (settings: generation.timeout_s), with its checks and repairs.
PATIENCE_S = 3600.0


@dataclass(frozen=True)
class Work:
    """What is to be done. `id` names the reservation, also when no answer to its admission came.

    `expensive` work is limited by the hour as well. After `expires_in_s` the server that does it is taken for dead.
    """

    endpoint: str
    environment: str
    model: str
    gpu: str
    estimated_usd: float
    expensive: bool = False
    expires_in_s: float = PATIENCE_S
    session_id: str | None = None
    trace_id: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


@dataclass(frozen=True)
class Outcome:
    """What came of it. `cost_usd` is this server's own figure; seconds are wall time but for `gpu_seconds`.

    `prompts` are `functions.prompt_uses.PromptUse`, as JSON.
    """

    cost_usd: float
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    gpu_seconds: float = 0.0
    latency_s: float | None = None
    time_to_first_token_s: float | None = None
    finish_reason: FinishReason | None = None
    cache_hit: bool = False
    error: str | None = None
    session_id: str | None = None
    prompts: tuple[dict[str, Any], ...] = ()


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class RateState(_Answer):
    """A bucket after `taken` tokens were taken: `remaining` are left, and it is full again in `reset_s`."""

    policy: str
    quota: int
    window_s: int
    remaining: int
    reset_s: float
    taken: int = 1


class CrossedLimit(_Answer):
    """A soft limit that the work goes beyond: it is done, and somebody should know."""

    period: Period
    of_key: bool
    limit_usd: float


class Reservation(_Answer):
    """Admitted work."""

    id: str
    limits: tuple[RateState, ...]
    soft_limits_crossed: tuple[CrossedLimit, ...] = ()


class DayUsage(_Answer):
    """One day's sums (UTC), over work that was admitted on it."""

    day: date
    generations: int
    running: int
    failed: int
    cache_hits: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    gpu_seconds: float
    cost_usd: float


class BudgetState(_Answer):
    """A budget in its current period; with a `key_id` it is that key's. A limit of None is the default's, or none."""

    key_id: str | None
    period: Period
    soft_limit_usd: float | None
    hard_limit_usd: float | None
    spent_usd: float
    reserved_usd: float


class UsageReport(_Answer):
    """Days without any work are left out."""

    days: tuple[DayUsage, ...]
    budgets: tuple[BudgetState, ...]


class LateUse(_Answer):
    """Work that the ledger was not told of in time: as `Work` and `Outcome` have it, with who did it and when.

    Without an `outcome` it is not over yet.
    """

    id: str
    user_id: str
    key_id: str | None
    began_at: datetime
    work: dict[str, Any]
    outcome: dict[str, Any] | None = None

    @property
    def usd(self) -> float:
        """What it has cost; as long as that is not known, what was estimated."""
        usd = self.work["estimated_usd"] if self.outcome is None else self.outcome.get("cost_usd", 0.0)
        return float(usd)


class Ledger:
    """Everybody's limits and money. All raise `DatabaseUnavailable`: without a ledger nothing that costs is begun.

    `limits` hold for users whom the operator gave no others.
    """

    def __init__(self, database: Database, acting: ActingToken, limits: LimitSettings) -> None:
        self._database = database
        self._acting = acting
        self._limits = limits
        generations = _bucket("generations", limits.generations_per_minute, MINUTE_S)
        self._of_usual = _defaults(limits, generations)
        self._of_expensive = _defaults(limits, generations, _bucket("expensive", limits.expensive_per_hour, HOUR_S))
        # By reservation, until it is settled or released; the oldest are those that never could be.
        self._under_way: OrderedDict[str, dict[str, Any]] = OrderedDict()

    async def admit(self, caller: Caller, work: Work) -> Reservation:
        """Reserve the estimate of `work`.

        Raises `RateLimited`, `TooManyAtOnce`, `BudgetExceeded`, `NotFound` (the session): nothing is reserved then.
        After `DatabaseUnavailable`, or a cancellation, that is not known: `release` what may have been.
        """
        description = {**vars(work), "key_id": caller.key_id}
        limits = self._of_expensive if description.pop("expensive") else self._of_usual
        arguments = {"p_id": description.pop("id"), "p_work": description, "p_limits": limits}
        self._under_way[work.id] = description
        while len(self._under_way) > MOST_UNDER_WAY:
            self._under_way.popitem(last=False)
        try:
            answer = await self._database.call("admit", arguments, token=self._acting(caller))
        except DatabaseUnavailable:
            raise
        except Failure:
            self._under_way.pop(work.id, None)
            raise
        return Reservation.model_validate({**answer, "id": work.id})

    async def settle(self, caller: Caller, reservation_id: str, outcome: Outcome) -> None:
        """Book what the work has cost. May be repeated; the first outcome stands. Raises `NotFound`.

        Work that this ledger admitted is booked even if the database has lost its reservation in a crash.
        """
        await self._settle(caller, reservation_id, vars(outcome))

    async def settle_many(
        self, caller: Caller, outcomes: Sequence[tuple[str, Outcome]]
    ) -> list[Failure | UnexpectedDatabaseError | None]:
        """Book what several pieces of one user's work have cost, by reservation, in one call: what each failed with.

        As `settle`, at most `MOST_TOGETHER` at once. Raises what concerns them all; then none is booked, or it is not
        known.
        """
        settlements = [self._settlement(reservation, vars(outcome)) for reservation, outcome in outcomes]
        arguments = {"p_settlements": settlements}
        answers = await self._database.call("settle_many", arguments, token=self._acting(caller), idempotent=True)
        failures = [failure_of(answer, "settle_many") if "code" in answer else None for answer in answers]
        for (reservation, _), failure in zip(outcomes, failures, strict=True):
            if failure is None:
                self._under_way.pop(reservation, None)
        return failures

    async def release(self, caller: Caller, reservation_id: str, *, error: str | None = None) -> None:
        """Give a reservation back whole: nothing was used, because of `error` where there was one. Raises `NotFound`.

        Of work that this ledger may or may not have admitted, an admission that arrives later is void.
        """
        await self._settle(caller, reservation_id, {"released": True, "error": error})

    async def settle_late(self, use: LateUse) -> None:
        """Book what was used while the database could not be reached, at the time at which it was. May be repeated.

        Raises `DatabaseUnavailable`; and `NotFound`, `Conflict`, `Refused` where it never will be booked.
        """
        caller = Caller(use.user_id, "", use.key_id, frozenset())
        work = use.work | {"key_id": use.key_id, "began_at": use.began_at.isoformat()}
        arguments = {"p_id": identity(use.id, "reservation"), "p_outcome": use.outcome, "p_work": work}
        await self._database.call("settle", arguments, token=self._acting(caller), idempotent=True)
        self._under_way.pop(use.id, None)

    async def take_read(self, caller: Caller, *, tokens: int = 1) -> RateState:
        """Count `tokens` requests of the caller that cost nothing, or one when there are not as many left.

        Raises `RateLimited`. `functions.read_limits` asks so that not every request waits for this.
        """
        policies = [_bucket("reads", self._limits.reads_per_minute, MINUTE_S) | {"tokens": tokens}]
        answer = await self._database.call("limit_rate", {"p_policies": policies}, token=self._acting(caller))
        (state,) = answer["limits"]
        return RateState.model_validate(state)

    async def usage(self, caller: Caller, *, days: int = 30) -> UsageReport:
        """The caller's own figures of the last `days` days, today's included."""
        row = await self._database.call("get_usage", {"p_days": days}, token=caller.token, idempotent=True)
        return UsageReport.model_validate(row)

    async def set_budget(
        self,
        caller: Caller,
        *,
        period: Period,
        hard_limit_usd: float | None,
        soft_limit_usd: float | None = None,
        key_id: str | None = None,
        user_id: str | None = None,
    ) -> None:
        """Limit one of the caller's keys; or, for operators, a user. Raises `NotFound`, `Forbidden`, `Refused`."""
        arguments = {
            "p_user_id": identity(user_id, "user") if user_id else caller.user_id,
            "p_period": period,
            "p_hard_limit_usd": hard_limit_usd,
            "p_soft_limit_usd": soft_limit_usd,
            "p_key_id": identity(key_id, "API key") if key_id else None,
        }
        await self._database.call("set_budget", arguments, token=caller.token)

    async def _settle(self, caller: Caller, reservation_id: str, outcome: dict[str, Any]) -> None:
        one = self._settlement(reservation_id, outcome)
        arguments = {f"p_{name}": value for name, value in one.items()}
        await self._database.call("settle", arguments, token=self._acting(caller), idempotent=True)
        self._under_way.pop(reservation_id, None)

    def _settlement(self, reservation_id: str, outcome: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": identity(reservation_id, "reservation"),
            "outcome": outcome,
            "work": self._under_way.get(reservation_id),
        }


def _defaults(limits: LimitSettings, *policies: dict[str, str | int]) -> dict[str, Any]:
    """What `admit` goes by where the operator has set nothing else for a user."""
    return {
        "daily_budget_usd": limits.daily_budget_usd,
        "monthly_budget_usd": limits.monthly_budget_usd,
        "concurrent": limits.concurrent_generations,
        "policies": policies,
    }


def _bucket(policy: str, quota: int, window_s: int) -> dict[str, str | int]:
    """`quota` requests in `window_s` seconds, refilled evenly; an operator may give a user another quota by name."""
    return {"policy": policy, "quota": quota, "window_s": window_s}
