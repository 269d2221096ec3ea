"""Modal's bill by the hour, stored beside the ledger's estimates. It may come late, and change afterwards."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from functions.database import Database

ENVIRONMENT_TAG = "environment"
"""The tag that an app carries, with the name of its block of settings."""
LATE_BY = timedelta(days=2)
"""How far back every run asks again: hours that were missing, or were corrected since."""
AT_FIRST = timedelta(days=31)


@dataclass(frozen=True)
class BilledItem:
    """What one object (an app) has cost in one hour, in US dollars, and by resource."""

    object_id: str
    interval_start: datetime
    cost_usd: Decimal
    description: str
    tags: Mapping[str, str]
    cost_by_resource: Mapping[str, Decimal]


BillingReport = Callable[[datetime], Awaitable[Iterable[BilledItem]]]
"""The platform's report by the hour since a moment; intervals that have not ended are left out."""


async def reconcile(
    database: Database, service_key: str, report: BillingReport, *, environment: str, at: datetime
) -> int:
    """Store what was billed to this environment's apps; how many lines were new or other than before.

    An item without the environment's tag is somebody else's. May run again, and be broken off: every line is stored
    under its hour and object. Raises what the report raises, and `DatabaseUnavailable`.
    """
    known = await database.call("get_operation", {"p_environment": environment}, token=service_key, idempotent=True)
    until = datetime.fromisoformat(known["billed_until"]) if known["billed_until"] else at - AT_FIRST
    start = min(at, until).replace(minute=0, second=0, microsecond=0) - LATE_BY
    items = [item for item in await report(start) if item.tags.get(ENVIRONMENT_TAG) == environment]
    if not items:
        return 0
    changed: int = await database.call(
        "store_billed_costs", {"p_items": _lines(items, environment)}, token=service_key, idempotent=True
    )
    return changed


def _lines(items: Iterable[BilledItem], environment: str) -> list[dict[str, object]]:
    """One line for an hour and object, whichever way the report has split it. Decimals go as text: no cent is lost."""
    lines: dict[tuple[datetime, str], BilledItem] = {}
    for item in items:
        place = (item.interval_start, item.object_id)
        lines[place] = _sum(lines[place], item) if place in lines else item
    return [
        {
            "interval_start": item.interval_start.isoformat(),
            "object_id": item.object_id,
            "environment": environment,
            "description": item.description,
            "tags": dict(item.tags),
            "cost_usd": str(item.cost_usd),
            "cost_by_resource": {name: str(cost) for name, cost in item.cost_by_resource.items()},
        }
        for item in lines.values()
    ]


def _sum(one: BilledItem, other: BilledItem) -> BilledItem:
    resources = dict(one.cost_by_resource)
    for name, cost in other.cost_by_resource.items():
        resources[name] = resources.get(name, Decimal(0)) + cost
    return BilledItem(
        one.object_id, one.interval_start, one.cost_usd + other.cost_usd, one.description, one.tags, resources
    )
