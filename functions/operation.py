"""What operators look at: costs, figures, alerts, reports. The database decides who is one."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from functions.callers import Caller
from functions.database import Database
from functions.forecast import HISTORY_DAYS, Forecast, forecast
from infra.operation_settings import Destination, Severity

Dimension = Literal["day", "endpoint", "user", "key", "gpu", "environment"]
AlertState = Literal["pending", "delivered", "abandoned"]


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True)


class EstimatedCost(_Answer):
    """A sum of the ledger; what it was not asked by is None."""

    day: date | None
    environment: str | None
    endpoint: str | None
    gpu: str | None
    user_id: str | None
    key_id: str | None
    generations: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    gpu_seconds: float
    estimated_usd: Decimal


class BilledCost(_Answer):
    """What the platform has billed for one of its objects on one day; hours from `billed_until` on are not in yet."""

    day: date
    environment: str
    object_id: str
    description: str
    billed_usd: Decimal
    billed_until: datetime


class BilledResource(_Answer):
    """The same, by what was used: a type of GPU, CPU, memory."""

    day: date
    environment: str
    resource: str
    billed_usd: Decimal


class EngineCost(_Answer):
    """Seconds for which engines were up, in which one of them worked, and what the others cost, by samples."""

    day: date
    environment: str
    gpu: str
    warm_seconds: float
    busy_seconds: float
    idle_usd: Decimal


class CostTotals(_Answer):
    """`total_usd` is the bill for hours that have one, the estimates with idle engines for the others."""

    estimated_usd: Decimal
    idle_usd: Decimal
    billed_usd: Decimal | None
    total_usd: Decimal


class Costs(_Answer):
    """Estimated and actual apart: they are not of the same things, and the bill comes late."""

    estimated: tuple[EstimatedCost, ...]
    billed: tuple[BilledCost, ...]
    billed_by_resource: tuple[BilledResource, ...]
    engines: tuple[EngineCost, ...]
    totals: CostTotals


class Reliability(_Answer):
    """Of generations that have ended. Rates are of 0 to 1, and None where there was nothing to divide by.

    Errors are the service's own: input that was refused, and callers who went away, are none.
    """

    generations: int
    refused: int
    successes: int
    errors: int
    error_rate: float | None
    success_rate: float | None
    cache_hit_rate: float | None
    retry_rate: float | None
    settled: int
    of_sessions: int
    latency_p50_s: float | None
    latency_p95_s: float | None
    latency_p99_s: float | None
    time_to_first_token_p50_s: float | None
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    gpu_seconds: float
    estimated_usd: Decimal


class DayMetrics(Reliability):
    """One day's figures (UTC)."""

    day: date
    sessions: int
    active_users: int


class PromptFigures(_Answer):
    """What one version of a prompt has come to. Rates are of 0 to 1; tokens and seconds are of what was not cut.

    A specification succeeds when it is whole, code when it passes every check.
    """

    version: str
    uses: int
    successes: int
    failed: int
    cut: int
    success_rate: float
    completion_tokens_mean: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None


class Metrics(Reliability):
    """The figures of several days together, and of each; and of the prompts that were used in them, by version."""

    sessions: int
    active_users: int
    prompts: tuple[PromptFigures, ...] = ()
    days: tuple[DayMetrics, ...]


class Month(_Answer):
    """One month's figures (UTC), of which the triggers of scale are judged."""

    month: date
    requests: int
    billed_usd: Decimal | None
    longest_outage_s: float | None


class Delivery(_Answer):
    """Where an alert was told, and whether that has worked."""

    destination: Destination
    action: Literal["trigger", "resolve"]
    state: AlertState
    attempts: int
    last_error: str | None
    delivered_at: datetime | None


class Alert(_Answer):
    """One crossing of one rule's threshold. `crossings` counts those within one day or month, which are told once."""

    id: int
    environment: str
    rule: str
    scope: str | None
    severity: Severity
    message: str
    details: dict[str, Any]
    crossings: int
    opened_at: datetime
    resolved_at: datetime | None
    deliveries: tuple[Delivery, ...]


class JobState(_Answer):
    """A scheduled job's last run, and whether the last one that ended has failed."""

    job: str
    state: str
    started_at: datetime
    finished_at: datetime | None
    error: str | None
    last_success_at: datetime | None
    last_failed: bool


class Deliveries(_Answer):
    """The outbox."""

    pending: int
    abandoned: int
    oldest_pending_at: datetime | None


class OperationState(_Answer):
    """What the database knows of how the rest is doing."""

    jobs: tuple[JobState, ...]
    day: Reliability
    running: int
    standing_alerts: int
    deliveries: Deliveries
    billed_until: datetime | None
    connections: int
    max_connections: int


class KeepAliveDecision(_Answer):
    """What Modal's autoscaler was told from `at` on, and why."""

    environment: str
    at: datetime
    min_containers: int
    scaledown_window_s: int
    reason: str


class MonthlyReport(_Answer):
    """The report of a month that is over."""

    environment: str
    month: date
    report: dict[str, Any]
    created_at: datetime


_DECISIONS = TypeAdapter(tuple[KeepAliveDecision, ...])
_ALERTS = TypeAdapter(tuple[Alert, ...])
_MONTHS = TypeAdapter(tuple[Month, ...])
_REPORTS = TypeAdapter(tuple[MonthlyReport, ...])


class Operation:
    """Figures of the whole service. All methods raise `Forbidden` for who is no operator, and `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def costs(
        self, caller: Caller, *, since: date, until: date, by: tuple[Dimension, ...], environment: str | None = None
    ) -> Costs:
        """Of the days from `since` until before `until` (UTC). Raises `Refused` for a dimension that there is not."""
        arguments = {
            "p_from": since.isoformat(),
            "p_until": until.isoformat(),
            "p_by": list(by),
            "p_environment": environment,
        }
        return Costs.model_validate(await self._read(caller, "get_costs", arguments))

    async def forecast(self, caller: Caller, *, at: datetime, environment: str | None = None) -> Forecast:
        """Of the month of `at`."""
        return forecast(await daily_costs(self._database, caller.token, at=at, environment=environment), at=at)

    async def metrics(self, caller: Caller, *, days: int, environment: str | None = None) -> Metrics:
        """Of the last `days` days, today's included."""
        arguments = {"p_days": days, "p_environment": environment}
        return Metrics.model_validate(await self._read(caller, "get_metrics", arguments))

    async def months(self, caller: Caller, *, environment: str | None = None) -> tuple[Month, ...]:
        """The last twelve months, this one last."""
        return _MONTHS.validate_python(await self._read(caller, "get_months", {"p_environment": environment}))

    async def alerts(self, caller: Caller, *, days: int = 7, environment: str | None = None) -> tuple[Alert, ...]:
        """Those that stand, and those of the last `days` days, newest first."""
        arguments = {"p_days": days, "p_environment": environment}
        return _ALERTS.validate_python(await self._read(caller, "list_alerts", arguments))

    async def keep_alive(
        self, caller: Caller, *, days: int = 7, environment: str | None = None
    ) -> tuple[KeepAliveDecision, ...]:
        """Changes of the last `days` days in how engines are kept warm, newest first."""
        arguments = {"p_days": days, "p_environment": environment}
        return _DECISIONS.validate_python(await self._read(caller, "list_keep_alive", arguments))

    async def reports(self, caller: Caller) -> tuple[MonthlyReport, ...]:
        """The monthly reports, the latest month first."""
        return _REPORTS.validate_python(await self._read(caller, "list_monthly_reports", {}))

    async def state(self, caller: Caller, *, environment: str) -> OperationState:
        """Jobs, alerts, the outbox, connections, and the last day's figures."""
        row = await self._read(caller, "get_operation", {"p_environment": environment})
        return OperationState.model_validate(row)

    async def _read(self, caller: Caller, function: str, arguments: dict[str, Any]) -> Any:
        return await self._database.call(function, arguments, token=caller.token, idempotent=True)


async def daily_costs(
    database: Database, token: str, *, at: datetime, environment: str | None = None
) -> dict[date, float]:
    """What each day has cost (bill or estimate), as far back as a forecast at `at` looks. For operators and jobs."""
    moment = at.astimezone(UTC)
    since = min(moment.date().replace(day=1), moment.date() - timedelta(days=HISTORY_DAYS))
    arguments = {"p_from": since.isoformat(), "p_until": moment.isoformat(), "p_environment": environment}
    rows = await database.call("get_daily_costs", arguments, token=token, idempotent=True)
    return {date.fromisoformat(row["day"]): float(row["total_usd"]) for row in rows}
