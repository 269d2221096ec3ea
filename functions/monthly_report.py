"""The report of a month: what was used, what it cost, how reliably it ran, and what the triggers of scale say."""

from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from functions.alert_deliveries import Outbox
from functions.database import Database
from functions.operation import Costs, Metrics, Month
from functions.scale_triggers import scale_triggers
from infra.settings import Settings

_MONTHS = TypeAdapter(tuple[Month, ...])


async def report_last_month(
    database: Database, service_key: str, settings: Settings, outbox: Outbox, *, at: datetime
) -> bool:
    """Make and store the report of the month before `at`, with the news of it; False if there is one already.

    May run again: a month is reported once. Raises `DatabaseUnavailable`.
    """
    until = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_moment = until - timedelta(microseconds=1)
    month = last_moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    environment = settings.environment

    async def read(function: str, arguments: dict[str, Any]) -> Any:
        arguments = {**arguments, "p_environment": environment}
        return await database.call(function, arguments, token=service_key, idempotent=True)

    days = {"p_from": month.date().isoformat(), "p_until": until.date().isoformat()}
    costs = Costs.model_validate(await read("get_costs", {**days, "p_by": ["endpoint", "gpu"]}))
    period = {"p_days": last_moment.day, "p_at": last_moment.isoformat()}
    metrics = Metrics.model_validate(await read("get_metrics", period))
    months = _MONTHS.validate_python(await read("get_months", {"p_at": until.isoformat()}))
    report = {
        "month": f"{month:%Y-%m}",
        "environment": environment,
        "usage": metrics.model_dump(mode="json", exclude={"days"}),
        "days": [day.model_dump(mode="json") for day in metrics.days],
        "costs": costs.model_dump(mode="json"),
        "database_usd": settings.prices.database_usd_per_month,
        "scale_triggers": scale_triggers(settings.scale_triggers, months).model_dump(mode="json"),
    }
    stored: bool = await database.call(
        "store_monthly_report",
        {
            "p_environment": environment,
            "p_month": month.date().isoformat(),
            "p_report": report,
            "p_message": _message(f"{month:%B %Y}", costs, metrics),
            "p_destinations": list(outbox.destinations.get("info", [])),
            "p_at": at.isoformat(),
        },
        token=service_key,
    )
    return stored


def _message(month: str, costs: Costs, metrics: Metrics) -> str:
    rate = metrics.success_rate
    success = "no generation" if rate is None else f"{rate:.1%} of generations succeeded"
    return (
        f"{month}: {metrics.generations:,} generations by {metrics.active_users:,} users, "
        f"${costs.totals.total_usd:,.2f}, {success}"
    )
