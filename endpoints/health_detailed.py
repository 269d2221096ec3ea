"""GET /health/detailed: every part by itself, for operators. It never wakes a GPU, and none waits for another."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from endpoints.database_check import DatabaseHealth
from endpoints.guard import App, GuardedRoute, Operators
from endpoints.health import DegradedHealth, EngineHealth, degraded_health
from endpoints.services import Services
from endpoints.version import VERSION
from functions.callers import Caller
from functions.failures import Failure
from functions.generation import EngineStatus
from functions.maintenance_switch import Maintenance
from functions.operation import Deliveries, JobState, OperationState

DEADLINE_S = 2.0

State = Literal["ok", "degraded", "unknown"]
T = TypeVar("T")

router = APIRouter(route_class=GuardedRoute, tags=["operation"])


class Part(BaseModel):
    """`ok`; `degraded`, which somebody should look at; `unknown`, where it did not say within its deadline."""

    state: State


class DatabasePart(Part, DatabaseHealth):
    """Reached or not, how fast, and how many of its connections are in use."""

    connections: int | None = None
    max_connections: int | None = None


class EnginePart(Part):
    """The engine as it is. `cold` is well: the first generation wakes it."""

    engine: EngineHealth
    running: int | None = None
    waiting: int | None = None
    last_start_s: float | None = None
    restarts: int = 0


class CachesPart(Part):
    """Hit rates of 0 to 1: of verdicts on constraints, since this container began; of generations, in the last day."""

    constraint_verdicts: float | None
    generations: float | None = None


class JobsPart(Part):
    """Each scheduled job's last run."""

    jobs: list[JobState]


class AlertsPart(Part):
    """Alerts that stand, and those that could not be told yet."""

    standing: int | None = None
    deliveries: Deliveries | None = None


class BillingPart(Part):
    """Up to when the platform's bill is stored."""

    billed_until: datetime | None = None


class ServicePart(Part):
    """`degraded` while an operator has turned changes off, or work is done that is not booked yet."""

    maintenance: Maintenance | None = None
    degraded_mode: DegradedHealth | None = None


class DetailedHealth(BaseModel):
    """`ok` if every part is."""

    status: Literal["ok", "degraded"]
    version: str
    environment: str
    service: ServicePart
    database: DatabasePart
    engine: EnginePart
    caches: CachesPart
    jobs: JobsPart
    alerts: AlertsPart
    billing: BillingPart


Operator = Annotated[Caller, Depends(Operators("read", counted=False))]


@router.get("/health/detailed", summary="How every part is")
async def detailed_health(app: App, caller: Operator) -> DetailedHealth:
    """Database, engine, caches, jobs, alerts and billing: each with a state, and within two seconds."""
    known = _within(app.operation.state(caller, environment=app.settings.environment))
    reached, status, state, maintenance = await asyncio.gather(
        app.database_check.health(),
        _within(app.engine.status()),
        known,
        _within(app.maintenance.of_operator(caller)),
    )
    health = DetailedHealth(
        status="ok",
        version=VERSION,
        environment=app.settings.environment,
        service=_service(maintenance, degraded_health(app, reached)),
        database=_database(reached, state),
        engine=_engine(status, app.settings.engine.model),
        caches=_caches(app, state),
        jobs=_jobs(state),
        alerts=_alerts(state),
        billing=_billing(state),
    )
    parts = (
        *(health.service, health.database, health.engine, health.caches),
        *(health.jobs, health.alerts, health.billing),
    )
    well = all(part.state == "ok" for part in parts)
    return health if well else health.model_copy(update={"status": "degraded"})


async def _within(answer: Awaitable[T]) -> T | None:
    """None where it failed, or has not come within `DEADLINE_S`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await answer
    except (Failure, TimeoutError):
        return None


def _service(maintenance: Maintenance | None, degraded: DegradedHealth | None) -> ServicePart:
    troubled = maintenance is not None or (degraded is not None and (degraded.active or degraded.unsettled > 0))
    return ServicePart(state="degraded" if troubled else "ok", maintenance=maintenance, degraded_mode=degraded)


def _database(reached: DatabaseHealth, state: OperationState | None) -> DatabasePart:
    return DatabasePart(
        state="ok" if reached.reachable else "degraded",
        reachable=reached.reachable,
        latency_ms=reached.latency_ms,
        connections=state.connections if state else None,
        max_connections=state.max_connections if state else None,
    )


def _engine(status: EngineStatus | None, model: str) -> EnginePart:
    if status is None:
        return EnginePart(state="unknown", engine=EngineHealth(state="unknown", model=model))
    return EnginePart(
        state="unknown" if status.state == "unknown" else "ok",
        engine=EngineHealth(state=status.state, model=status.model, detail=status.detail),
        running=status.running,
        waiting=status.waiting,
        last_start_s=status.last_start_s,
        restarts=status.restarts,
    )


def _caches(app: Services, state: OperationState | None) -> CachesPart:
    counted = app.validator.stats
    asked = counted.hits + counted.misses
    return CachesPart(
        state="unknown" if state is None else "ok",
        constraint_verdicts=counted.hits / asked if asked else None,
        generations=state.day.cache_hit_rate if state else None,
    )


def _jobs(state: OperationState | None) -> JobsPart:
    if state is None:
        return JobsPart(state="unknown", jobs=[])
    failed = any(job.last_failed for job in state.jobs)
    return JobsPart(state="degraded" if failed else "ok", jobs=list(state.jobs))


def _alerts(state: OperationState | None) -> AlertsPart:
    if state is None:
        return AlertsPart(state="unknown")
    troubled = state.standing_alerts > 0 or state.deliveries.abandoned > 0
    return AlertsPart(
        state="degraded" if troubled else "ok", standing=state.standing_alerts, deliveries=state.deliveries
    )


def _billing(state: OperationState | None) -> BillingPart:
    """Without a bill there is nothing wrong: a laptop gets none."""
    if state is None:
        return BillingPart(state="unknown")
    return BillingPart(state="ok", billed_until=state.billed_until)
