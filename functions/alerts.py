"""The rules of alerts, judged on the database's own figures. What changes by them is one call of one SQL function."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Final

from functions.alert_deliveries import Outbox
from functions.database import Database
from functions.forecast import Forecast, forecast
from functions.operation import Reliability, daily_costs
from infra.operation_settings import AlertRule, AlertSettings, Measure, Severity

EXPECTED_EVERY_S: Final[Mapping[str, float]] = {
    "cost_check": 3 * 3600,
    "incremental": 9 * 3600,
    "nightly": 49 * 3600,
}
"""A job that has not succeeded for so long is late: about twice its interval."""


@dataclass(frozen=True)
class Figure:
    """What a measure is. Without a value it cannot be judged; `scope` is the day or month that it is about."""

    value: float | None
    text: str
    scope: str | None = None
    rests_on: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Observation:
    """A rule and its figure: beyond the threshold (`crossed`), back on the good side (`cleared`), or neither."""

    rule: str
    scope: str | None
    severity: Severity
    message: str
    details: dict[str, Any]
    crossed: bool
    cleared: bool


def observe(rules: list[AlertRule], figures: Mapping[Measure, Figure]) -> list[Observation]:
    """One observation of each rule that can be judged: with too few generations behind it, a rate says nothing."""
    observations = []
    for rule in rules:
        figure = figures[rule.measure]
        if figure.value is None or (figure.rests_on is not None and figure.rests_on < rule.at_least):
            continue
        over = rule.above is not None
        threshold = rule.above if rule.above is not None else rule.below
        assert threshold is not None  # noqa: S101 - a rule has one of the two; tells the type checker
        crossed = figure.value > threshold if over else figure.value < threshold
        observations.append(
            Observation(
                rule=rule.name,
                scope=figure.scope,
                severity=rule.severity,
                message=f"{rule.title}: {figure.text}, {'over' if over else 'under'} {threshold:g}",
                details={"value": figure.value, "threshold": threshold, **figure.details},
                crossed=crossed,
                cleared=not crossed and (figure.value <= rule.clear_at if over else figure.value >= rule.clear_at),
            )
        )
    return observations


def figures_of(answer: Mapping[str, Any], daily: Mapping[date, float], *, at: datetime) -> dict[Measure, Figure]:
    """The figures of all measures, from what `alert_figures` answers and each day's costs."""
    moment = at.astimezone(UTC)
    today, month = moment.date(), moment.date().replace(day=1)
    recent, day = Reliability.model_validate(answer["recent"]), Reliability.model_validate(answer["day"])
    cost_day = daily.get(today, 0.0)
    cost_month = sum(cost for cost_date, cost in daily.items() if month <= cost_date <= today)
    this_day, this_month = today.isoformat(), month.strftime("%Y-%m")
    failed, late = list(answer["failed_jobs"]), list(answer["late_jobs"])
    generation_usd = float(answer["generation_day_usd"])
    return {
        "cost_day_usd": Figure(cost_day, f"${cost_day:.2f} on {this_day}", this_day),
        "cost_month_usd": Figure(cost_month, f"${cost_month:.2f} in {this_month}", this_month),
        "cost_month_forecast_usd": _forecast(forecast(daily, at=at), this_month),
        "generation_day_usd": Figure(generation_usd, f"${generation_usd:.2f} on {this_day}", this_day),
        "error_rate": _rate(recent.error_rate, "of generations failed", recent.generations),
        "latency_p95_s": _seconds(recent.latency_p95_s, recent.successes),
        "cache_hit_rate": _rate(day.cache_hit_rate, "of generations used a cache", day.settled),
        "retry_rate": _rate(day.retry_rate, "of sessions' generations repeat one", day.of_sessions),
        "failed_jobs": Figure(len(failed), _named(failed), details={"jobs": ", ".join(failed)}),
        "late_jobs": Figure(len(late), _named(late), details={"jobs": ", ".join(late)}),
    }


async def judge(
    database: Database, service_key: str, settings: AlertSettings, outbox: Outbox, *, environment: str, at: datetime
) -> dict[str, list[int]]:
    """Judge the rules at a moment, and write what has changed with what is to be sent: `opened`, `resolved`.

    May run again, and beside itself: nothing is written twice. Raises `DatabaseUnavailable`.
    """
    arguments = {
        "p_environment": environment,
        "p_at": at.isoformat(),
        "p_window_s": settings.window_s,
        "p_expected": dict(EXPECTED_EVERY_S),
    }
    answer = await database.call("alert_figures", arguments, token=service_key, idempotent=True)
    daily = await daily_costs(database, service_key, at=at, environment=environment)
    observations = observe(settings.rules, figures_of(answer, daily, at=at))
    written: dict[str, list[int]] = await database.call(
        "observe_alerts",
        {
            "p_environment": environment,
            "p_at": at.isoformat(),
            "p_observations": [asdict(observation) for observation in observations],
            "p_destinations": dict(outbox.destinations),
        },
        token=service_key,
        idempotent=True,
    )
    return written


def _forecast(expected: Forecast, scope: str) -> Figure:
    """A forecast without an interval rests on too few days to wake anybody."""
    low, high = expected.low_usd, expected.high_usd
    if low is None or high is None:
        return Figure(None, "unknown", scope)
    text = f"${expected.forecast_usd:.2f} (${low:.2f} to ${high:.2f}) in {scope}"
    return Figure(expected.forecast_usd, text, scope, details={"low_usd": low, "high_usd": high})


def _rate(value: float | None, of_what: str, rests_on: int) -> Figure:
    return Figure(value, "unknown" if value is None else f"{value:.1%} {of_what}", rests_on=rests_on)


def _seconds(value: float | None, rests_on: int) -> Figure:
    return Figure(value, "unknown" if value is None else f"{value:.2f} s", rests_on=rests_on)


def _named(jobs: list[str]) -> str:
    return ", ".join(jobs) if jobs else "none"
