"""What runs every few minutes: the rules of alerts are judged, and what they have to say is delivered."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from functions.alert_deliveries import Clock, Outbox
from functions.alerts import judge
from functions.cache import Store
from functions.database import Database
from functions.failures import DatabaseUnavailable
from functions.outages import Outages
from infra.operation_settings import AlertSettings
from infra.settings import AlertSecrets

SECOND_LOOK_S = 10.0
"""A database that did not answer once is asked again after this long, before anybody is woken."""

_log = structlog.get_logger()


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


async def watch(
    database: Database,
    service_key: str,
    settings: AlertSettings,
    secrets: AlertSecrets,
    store: Store,
    *,
    environment: str,
    clock: Clock = now,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Judge, and deliver. May be killed anywhere and run again, also beside itself: nothing is lost or told twice.

    `store` remembers an outage of the database (`functions.outages`). Never raises `DatabaseUnavailable`: that is told.
    """
    outbox = Outbox(database, service_key, settings, secrets, environment=environment, clock=clock)
    outages = Outages(database, service_key, store, outbox, environment=environment, clock=clock)
    try:
        changed = await judge(database, service_key, settings, outbox, environment=environment, at=clock())
        await outages.over()
        delivered = await outbox.empty()
    except DatabaseUnavailable as unavailable:
        await sleep(SECOND_LOOK_S)
        try:
            await database.ping()
        except DatabaseUnavailable:
            await outages.begun(unavailable.reason)
        return
    _log.info("watched", delivered=delivered, **{word: len(ids) for word, ids in changed.items()})
