"""For operators: how this deployment is, what it costs, and what its users get."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.charts import chart, last_days, series
from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.guard import App, Operators, Reader
from endpoints.health_detailed import detailed_health
from functions.callers import Caller
from functions.failures import NotFound, Refused
from functions.forecast import Forecast
from functions.operation import DayMetrics
from functions.scale_triggers import scale_triggers
from infra.operation_settings import AlertRule, Measure

router = APIRouter(route_class=ConsoleRoute, prefix="/operate", include_in_schema=False)

DAYS = 30
DECISIONS = 12
PAGE = "/operate"
LONGEST_MAINTENANCE_MIN = 7 * 24 * 60

Turning = Annotated[Caller, Depends(Operators("admin", during_maintenance=True))]


@router.get("")
async def operate(request: Request, app: App, caller: Reader) -> Response:
    """Health, money, service, alerts, jobs and triggers. Who is no operator finds nothing here."""
    if not caller.operator:
        raise NotFound("such page")
    health, metrics, forecast, months, alerts, decisions = await asyncio.gather(
        detailed_health(app, caller),
        app.operation.metrics(caller, days=DAYS),
        app.operation.forecast(caller, at=datetime.now(UTC)),
        app.operation.months(caller),
        app.operation.alerts(caller),
        app.operation.keep_alive(caller, environment=app.settings.environment),
    )
    rules = app.settings.alerts.rules
    return page(
        request,
        "operate.html",
        health=health,
        metrics=metrics,
        forecast=forecast,
        triggers=scale_triggers(app.settings.scale_triggers, months),
        alerts=alerts,
        decisions=decisions[:DECISIONS],
        charts={**_charts(metrics.days, rules), "month": month_chart(metrics.days, forecast)},
        settings=app.settings,
        orders=list(app.running_orders),
        days=DAYS,
    )


@router.get("/reports")
async def reports(request: Request, app: App, caller: Reader) -> Response:
    """The monthly reports, the latest month first."""
    if not caller.operator:
        raise NotFound("such page")
    return page(request, "reports.html", reports=await app.operation.reports(caller))


@router.post("/maintenance")
async def begin_maintenance(
    request: Request,
    app: App,
    caller: Turning,
    reason: Annotated[str, Form(max_length=500)] = "",
    minutes: Annotated[int | None, Form(ge=1, le=LONGEST_MAINTENANCE_MIN)] = None,
) -> Response:
    """Take no changes for a while, or until somebody says so."""
    if not reason.strip():
        raise Refused("/reason", "say why: everybody whose change is refused reads it")
    until = datetime.now(UTC) + timedelta(minutes=minutes) if minutes else None
    await app.maintenance.begin(caller, reason.strip(), until)
    return go_to(request, PAGE)


@router.post("/maintenance/end")
async def end_maintenance(request: Request, app: App, caller: Turning) -> Response:
    """Take changes again."""
    await app.maintenance.end(caller)
    return go_to(request, PAGE)


def month_chart(metrics: Sequence[DayMetrics], forecast: Forecast) -> dict[str, Any]:
    """What the month has cost up to each day, and from today straight to the forecast of its end, with the interval."""
    today, last = forecast.at.date(), _last_day(forecast.month)
    days = [forecast.month + timedelta(days=i) for i in range((last - forecast.month).days + 1)]
    cost = {m.day: float(m.estimated_usd) for m in metrics if forecast.month <= m.day <= today}
    # Summed from the end: what came before the days that are known is part of what was spent.
    spent = {day: forecast.spent_usd - sum(usd for at, usd in cost.items() if at > day) for day in days if day <= today}

    def on_the_way(end: float | None) -> dict[date, float | None]:
        if end is None or last == today:
            return {}
        share = {day: (day - today).days / (last - today).days for day in days if day >= today}
        return {day: forecast.spent_usd + part * (end - forecast.spent_usd) for day, part in share.items()}

    drawn = [
        series("Spent in $", days, spent, digits=4, empty=None),
        series("Forecast", days, on_the_way(forecast.forecast_usd), colour="warn", digits=4, empty=None),
        series("at most", days, on_the_way(forecast.high_usd), colour="muted", digits=4, empty=None),
        series("at least", days, on_the_way(forecast.low_usd), colour="muted", digits=4, empty=None),
    ]
    return {**chart(days, drawn), "band": {"between": [3, 4], "colour": "warn"}}


def _last_day(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _charts(metrics: Sequence[DayMetrics], rules: Sequence[AlertRule]) -> dict[str, dict[str, Any]]:
    days = last_days(DAYS)
    cost = {m.day: float(m.estimated_usd) for m in metrics}
    return {
        "cost": chart(
            days,
            [series("Cost in $", days, cost, kind="bars", digits=4)],
            _thresholds(rules, "cost_day_usd"),
        ),
        "latency": chart(
            days,
            [
                series("p50 in s", days, {m.day: m.latency_p50_s for m in metrics}, digits=2, empty=None),
                series("p95", days, {m.day: m.latency_p95_s for m in metrics}, colour="warn", digits=2, empty=None),
                series("p99", days, {m.day: m.latency_p99_s for m in metrics}, colour="bad", digits=2, empty=None),
            ],
            _thresholds(rules, "latency_p95_s"),
        ),
        "generations": chart(
            days,
            [
                series("Generations", days, {m.day: m.generations for m in metrics}, kind="bars"),
                series("Errors", days, {m.day: m.errors for m in metrics}, colour="bad"),
            ],
        ),
    }


def _thresholds(rules: Sequence[AlertRule], measure: Measure) -> list[tuple[str, float]]:
    return [(rule.title, rule.above) for rule in rules if rule.measure == measure and rule.above is not None]
