"""Who lets work begin that costs money, and is told how it ended: the ledger, or in degraded mode this server alone."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from starlette.requests import Request

from endpoints.degraded import note_degraded
from endpoints.services import Services
from endpoints.settlements import Begun, Settlements, told
from functions.callers import Caller
from functions.degraded_mode import DegradedMode
from functions.failures import BudgetExceeded, DatabaseUnavailable, TooManyAtOnce
from functions.ledger import Outcome, RateState, Work


class Admitted(Protocol):
    """Work that may begin: who let it is told how it ended."""

    @property
    def limits(self) -> tuple[RateState, ...]: ...
    async def settle(self, outcome: Outcome) -> None: ...
    async def release(self, error: str | None) -> None: ...


@dataclass(frozen=True)
class ByLedger:
    """When the ledger cannot be reached the answer, which is good, does not wait for it."""

    settlements: Settlements
    begun: Begun
    limits: tuple[RateState, ...]

    async def settle(self, outcome: Outcome) -> None:
        """After the answer where there is one: until then the reservation holds what it may have cost."""
        if outcome.error is None and outcome.finish_reason != "abort":
            self.settlements.put_off(self.begun, outcome)
        else:
            await self.settlements.settle(self.begun, outcome)

    async def release(self, error: str | None) -> None:
        await self.settlements.release(self.begun, error)


@dataclass(frozen=True)
class ByServer:
    """By this server, which notes it for the ledger."""

    app: Services
    degraded: DegradedMode
    work: Work
    limits: tuple[RateState, ...]

    async def settle(self, outcome: Outcome) -> None:
        await self.app.afterwards.finish(self.degraded.settle(self.work.id, outcome))

    async def release(self, error: str | None) -> None:
        await self.app.afterwards.finish(self.degraded.release(self.work.id, error=error))


async def let_begin(app: Services, request: Request, caller: Caller, work: Work) -> Admitted:
    """By the ledger; in degraded mode, while the database cannot be reached, by this server.

    Raises `RateLimited`, `BudgetExceeded`, `DatabaseUnavailable`.
    """
    degraded: DegradedMode | None = request.state.degraded  # see `endpoints.guard.RequiredScope`
    if degraded is not None and degraded.is_away:
        return await _let_begin_here(app, request, caller, work, degraded)
    try:
        limits = await _admitted(app, caller, work)
    except asyncio.CancelledError:
        _release(app, caller, work)
        raise
    except DatabaseUnavailable:
        if degraded is None:
            _release(app, caller, work)
            raise
        degraded.failed()
        try:
            return await _let_begin_here(app, request, caller, work, degraded)
        except BaseException:
            _release(app, caller, work)
            raise
    if app.degraded is not None:
        app.degraded.verified(caller)
    begun = Begun(caller, work)
    app.settlements.begin(begun)
    return ByLedger(app.settlements, begun, limits)


async def _admitted(app: Services, caller: Caller, work: Work) -> tuple[RateState, ...]:
    """What has been answered and is still to be settled must not stand in the way of what the caller asks next."""
    try:
        return (await app.ledger.admit(caller, work)).limits
    except (TooManyAtOnce, BudgetExceeded):
        if not await app.settlements.do_now(caller.user_id):
            raise
        return (await app.ledger.admit(caller, work)).limits


async def _let_begin_here(
    app: Services, request: Request, caller: Caller, work: Work, degraded: DegradedMode
) -> Admitted:
    limit = await degraded.reserve(caller, work)
    note_degraded(request)
    return ByServer(app, degraded, work, (limit,))


def _release(app: Services, caller: Caller, work: Work) -> None:
    """Whether it was reserved is not known: no answer came, or nobody waited for it."""
    app.afterwards.begin(told(partial(app.ledger.release, caller, work.id)))
