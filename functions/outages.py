"""The one alert that cannot be written into the database: that the database cannot be reached.

It is remembered elsewhere until the database is back, and written there then, as an alert like others.
"""

import json
from datetime import datetime
from typing import Any

import structlog

from functions.alert_deliveries import Clock, Outbox
from functions.alert_messages import AlertNews, ClaimedDelivery
from functions.cache import Store
from functions.database import Database
from functions.webhooks import WebhookFailed
from infra.operation_settings import Destination

RULE = "database-unreachable"
MESSAGE = "The database cannot be reached"

_log = structlog.get_logger()


class Outages:
    """Of one environment's database. `store` is somewhere that does not depend on it, and outlives this process."""

    def __init__(
        self, database: Database, service_key: str, store: Store, outbox: Outbox, *, environment: str, clock: Clock
    ) -> None:
        self._database = database
        self._service_key = service_key
        self._store = store
        self._outbox = outbox
        self._environment = environment
        self._clock = clock
        self._key = f"outage/{environment}"

    async def begun(self, reason: str) -> None:
        """The database cannot be reached: tell everybody who has not been told. May run again, until all know."""
        entry = await self._entry() or await self._begin(reason)
        for destination in self._outbox.destinations.get("critical", []):
            if destination in entry["told"]:
                continue
            # Written before the post: if this process dies in it, the next attempt says that it is not the first.
            entry["attempts"][destination] = entry["attempts"].get(destination, 0) + 1
            await self._write(entry)
            try:
                await self._outbox.post(self._delivery(entry, destination))
            except WebhookFailed as failed:
                _log.warning("an outage was not told", destination=destination, reason=str(failed))
                continue
            entry["told"].append(destination)
            await self._write(entry)

    async def over(self) -> None:
        """The database answers. If it did not, that is written into it, with what is to be told. May run again.

        Raises `DatabaseUnavailable`.
        """
        entry = await self._entry()
        if entry is None:
            return
        arguments = {
            "p_environment": self._environment,
            "p_dedup_key": entry["dedup_key"],
            "p_kind": RULE,
            "p_message": MESSAGE,
            "p_details": {"reason": entry["reason"]},
            "p_began": entry["began"],
            "p_ended": self._clock().isoformat(),
            "p_told": entry["told"],
            "p_destinations": list(self._outbox.destinations.get("critical", [])),
        }
        await self._database.call("record_outage", arguments, token=self._service_key, idempotent=True)
        await self._store.remove(self._key)

    async def _entry(self) -> dict[str, Any] | None:
        found = await self._store.get(self._key)
        return None if found is None else json.loads(found)

    async def _begin(self, reason: str) -> dict[str, Any]:
        began = self._clock()
        entry: dict[str, Any] = {
            "dedup_key": f"{self._environment}:{RULE}:{began:%Y%m%dT%H%M%S%fZ}",
            "began": began.isoformat(),
            "reason": reason,
            "told": [],
            "attempts": {},
        }
        if await self._store.add(self._key, json.dumps(entry).encode()):
            return entry
        return await self._entry() or entry  # somebody else was first

    async def _write(self, entry: dict[str, Any]) -> None:
        await self._store.put(self._key, json.dumps(entry).encode())

    def _delivery(self, entry: dict[str, Any], destination: Destination) -> ClaimedDelivery:
        news = AlertNews(
            dedup_key=entry["dedup_key"],
            environment=self._environment,
            rule=RULE,
            severity="critical",
            message=MESSAGE,
            details={"reason": entry["reason"]},
            opened_at=datetime.fromisoformat(entry["began"]),
            resolved_at=None,
        )
        return ClaimedDelivery(
            id=0, destination=destination, action="trigger", attempt=entry["attempts"][destination], alert=news
        )
