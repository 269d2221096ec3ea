"""The maintenance switch: while it is on nothing is changed, and reading goes on."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog
from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.failures import Failure, UnderMaintenance

FRESH_S = 3.0
"""So long after an operator has turned it, no server believes otherwise."""

DEADLINE_S = 1.0
"""A database that does not say by then is believed to say what it said last."""

RETRY_AFTER_S = 60.0
LONGEST_RETRY_AFTER_S = 3600.0

_log = structlog.get_logger()


class Maintenance(BaseModel):
    """That no changes are taken: why, since when, and until when where that is known.

    Turned on by the settings it has no `since`. `by` is told to operators alone.
    """

    model_config = ConfigDict(frozen=True)

    reason: str
    since: datetime | None = None
    until: datetime | None = None
    by: str | None = None


class MaintenanceSwitch:
    """Of one environment. Turned by operators, in the database, or by the settings (`in_settings`: the reason)."""

    def __init__(
        self, database: Database, environment: str, in_settings: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._database = database
        self._environment = environment
        self._settings = Maintenance(reason=in_settings) if in_settings else None
        self._clock = clock
        self._known: Maintenance | None = None
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    @property
    def known(self) -> Maintenance | None:
        """What stands as far as it was heard of; nobody is asked."""
        if self._settings is not None:
            return self._settings
        known = self._known
        return None if known is None or (known.until and known.until <= datetime.now(UTC)) else known

    async def standing(self) -> Maintenance | None:
        """What stands, asked for at most every `FRESH_S`."""
        if self._settings is None and self._clock() - self._asked_at >= FRESH_S:
            async with self._asking:
                if self._clock() - self._asked_at >= FRESH_S:
                    await self._ask()
        return self.known

    async def require_off(self) -> None:
        """Raises `UnderMaintenance`."""
        if (standing := await self.standing()) is not None:
            raise UnderMaintenance("the service", standing.reason, _retry_after_s(standing))

    async def of_operator(self, caller: Caller) -> Maintenance | None:
        """What stands, as it is now, with who turned it on."""
        if self._settings is not None:
            return self._settings
        return self._heard(await self._call("get_maintenance", caller, {}))

    async def begin(self, caller: Caller, reason: str, until: datetime | None = None) -> Maintenance | None:
        """Turn it on, or change why and until when. Raises `Forbidden`, `Refused`, `DatabaseUnavailable`."""
        until_text = until.isoformat() if until else None
        begun = self._heard(await self._call("begin_maintenance", caller, {"p_reason": reason, "p_until": until_text}))
        _log.warning("maintenance begins", reason=reason, until=until_text)
        return begun

    async def end(self, caller: Caller) -> bool:
        """Turn it off; whether it was on. Raises `Forbidden`, `DatabaseUnavailable`."""
        was_on = bool(await self._call("end_maintenance", caller, {}))
        self._heard(None)
        _log.warning("maintenance ends", was_on=was_on)
        return was_on

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                self._heard(await self._call("get_maintenance", None, {}))
        except (Failure, TimeoutError):
            self._asked_at = self._clock()

    async def _call(self, function: str, caller: Caller | None, arguments: dict[str, str | None]) -> object:
        token = caller.token if caller is not None else None
        named = {"p_environment": self._environment, **arguments}
        return await self._database.call(function, named, token=token, idempotent=True)

    def _heard(self, answer: object) -> Maintenance | None:
        heard = None if answer is None else Maintenance.model_validate(answer)
        # What is kept is shown to everybody.
        self._known = heard and heard.model_copy(update={"by": None})
        self._asked_at = self._clock()
        return heard


def _retry_after_s(standing: Maintenance) -> float:
    if standing.until is None:
        return RETRY_AFTER_S
    return min((standing.until - datetime.now(UTC)).total_seconds(), LONGEST_RETRY_AFTER_S)
