"""The scheduled decision: from the database's arrivals, kept there with its reason."""

from contextlib import suppress
from datetime import datetime
from zoneinfo import ZoneInfo

import structlog

from functions.database import Database
from functions.failures import DatabaseUnavailable
from functions.keep_alive import Decision, Terms, by_timetable, decide
from functions.keep_alive_demand import Arrival
from functions.maintenance import service_database
from infra.settings import Secrets, Settings

_log = structlog.get_logger()


async def decide_now(settings: Settings, secrets: Secrets, *, at: datetime) -> Decision:
    """What the engine's autoscaler is to be told at `at` (with its time zone). Raises `SettingsError`.

    Without a database it is the timetable's: engines are kept as the operator has said, and nothing is written.
    """
    async with service_database(secrets) as (database, key):
        decision = await _decided(database, key, settings, at)
        with suppress(DatabaseUnavailable):
            arguments = {
                "p_environment": settings.environment,
                "p_min_containers": decision.min_containers,
                "p_scaledown_window_s": decision.scaledown_window_s,
                "p_reason": decision.why,
                "p_at": at.isoformat(),
            }
            await database.call("record_keep_alive", arguments, token=key, idempotent=True)
    _log.info(
        "keep-alive decided",
        min_containers=decision.min_containers,
        scaledown_window_s=decision.scaledown_window_s,
        why=decision.why,
    )
    return decision


async def _decided(database: Database, key: str, settings: Settings, at: datetime) -> Decision:
    terms = Terms.of(settings)
    midnight = at.astimezone(ZoneInfo(terms.settings.timezone)).replace(hour=0, minute=0, second=0, microsecond=0)
    arguments = {
        "p_environment": settings.environment,
        "p_days": terms.settings.history_days,
        "p_day_began": midnight.isoformat(),
        "p_at": at.isoformat(),
    }
    try:
        demand = await database.call("get_demand", arguments, token=key, idempotent=True)
    except DatabaseUnavailable:
        return by_timetable(terms, at.timestamp(), "the timetable, as the database does not answer")
    arrivals = [Arrival(came, done) for came, done in demand["arrivals"]]
    return decide(arrivals, at.timestamp(), terms, idle_usd_today=float(demand["idle_usd"]))
