"""What operators ask: costs, figures, alerts, reports, and the triggers of scale. Others are answered 403."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from endpoints.guard import App, GuardedRoute, Reader
from functions.failures import Refused
from functions.forecast import Forecast
from functions.operation import Alert, Costs, Dimension, KeepAliveDecision, Metrics, MonthlyReport
from functions.scale_triggers import ScaleTriggers, scale_triggers

MOST_DAYS = 366
DEFAULT_DAYS = 30

router = APIRouter(route_class=GuardedRoute, prefix="/api", tags=["operation"])

Environment = Annotated[
    str | None, Query(max_length=60, description="One environment's; else of all in this database.")
]


class AlertList(BaseModel):
    """Alerts, newest first."""

    items: list[Alert]
    next_cursor: str | None = None


class KeepAliveList(BaseModel):
    """Decisions that changed how engines are kept warm, newest first."""

    items: list[KeepAliveDecision]
    next_cursor: str | None = None


class ReportList(BaseModel):
    """Monthly reports, the latest month first."""

    items: list[MonthlyReport]
    next_cursor: str | None = None


class CostReport(Costs):
    """Costs of the days from `since` to `until`, both included, with the price book's date and source."""

    since: date
    until: date
    prices_as_of: str
    prices_source: str


@router.get("/costs", summary="What it has cost")
async def read_costs(
    app: App,
    caller: Reader,
    since: Annotated[date | None, Query(description="First day (UTC); else 30 days back.")] = None,
    until: Annotated[date | None, Query(description="Last day (UTC); else today.")] = None,
    by: Annotated[list[Dimension], Query(max_length=6, description="Repeat it for more than one.")] = ["day"],  # noqa: B006 - FastAPI copies a default
    environment: Environment = None,
) -> CostReport:
    """Estimates of the ledger by whatever `by` names, the platform's bill, and what idle engines cost; each apart.

    The bill knows apps and resources, not users: it comes by day and environment, and some hours late.
    """
    last = until or datetime.now(UTC).date()
    first = since or last - timedelta(days=DEFAULT_DAYS - 1)
    if first > last or (last - first).days >= MOST_DAYS:
        raise Refused("", f"since must not be after until, nor more than {MOST_DAYS - 1} days before it")
    day_after = last + timedelta(days=1)
    costs = await app.operation.costs(caller, since=first, until=day_after, by=tuple(by), environment=environment)
    return CostReport(
        **dict(costs),
        since=first,
        until=last,
        prices_as_of=app.settings.prices.as_of,
        prices_source=app.settings.prices.source,
    )


@router.get("/costs/forecast", summary="What the month will have cost")
async def read_forecast(app: App, caller: Reader, environment: Environment = None) -> Forecast:
    """The month's end, with an interval that holds it four times out of five; `method` says how it comes about."""
    return await app.operation.forecast(caller, at=datetime.now(UTC), environment=environment)


@router.get("/metrics", summary="How it is used, and how well it does")
async def read_metrics(
    app: App, caller: Reader, days: Annotated[int, Query(ge=1, le=92)] = 7, environment: Environment = None
) -> Metrics:
    """Users, sessions, generations, latencies and rates of the last days, today's included, together and by day."""
    return await app.operation.metrics(caller, days=days, environment=environment)


@router.get("/scale-triggers", summary="Whether to leave a single platform")
async def read_scale_triggers(app: App, caller: Reader, environment: Environment = None) -> ScaleTriggers:
    """Five triggers with figure, threshold, history and reasoning; the rule over them; and what is an emergency."""
    months = await app.operation.months(caller, environment=environment)
    return scale_triggers(app.settings.scale_triggers, months)


@router.get("/alerts", summary="Alerts")
async def list_alerts(
    app: App, caller: Reader, days: Annotated[int, Query(ge=1, le=400)] = 7, environment: Environment = None
) -> AlertList:
    """Those that stand, and those of the last days, with where they were told."""
    return AlertList(items=list(await app.operation.alerts(caller, days=days, environment=environment)))


@router.get("/keep-alive", summary="How engines are kept warm, and why")
async def list_keep_alive(
    app: App, caller: Reader, days: Annotated[int, Query(ge=1, le=90)] = 7, environment: Environment = None
) -> KeepAliveList:
    """Decisions of the last days that changed what Modal's autoscaler is told: at most the last hundred."""
    return KeepAliveList(items=list(await app.operation.keep_alive(caller, days=days, environment=environment)))


@router.get("/reports", summary="Monthly reports")
async def list_reports(app: App, caller: Reader) -> ReportList:
    """One for each month that is over: usage, cost, reliability, triggers."""
    return ReportList(items=list(await app.operation.reports(caller)))
