"""For operators: how this deployment is, what it costs, and what its users get."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.charts import chart, last_days, series
from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute
from endpoints.guard import App, Reader
from endpoints.health_detailed import detailed_health
from functions.failures import NotFound
from functions.operation import DayMetrics
from functions.scale_triggers import scale_triggers
from infra.operation_settings import AlertRule, Measure

router = APIRouter(route_class=ConsoleRoute, prefix="/operate", include_in_schema=False)

DAYS = 30
DECISIONS = 12


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
        charts=_charts(metrics.days, rules),
        settings=app.settings,
        orders=list(app.running_orders),
        days=DAYS,
    )


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
