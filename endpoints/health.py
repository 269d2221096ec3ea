"""GET /health: cheap, for everyone, and it never wakes a GPU."""

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from endpoints.database_check import DEADLINE_S, DatabaseHealth
from endpoints.guard import App, GuardedRoute
from endpoints.services import Services
from endpoints.version import VERSION
from functions.failures import Failure
from functions.generation import EngineClient, EngineState, EngineStatus
from functions.maintenance_switch import Maintenance

router = APIRouter(route_class=GuardedRoute, tags=["operation"])


class EngineHealth(BaseModel):
    """What is known of the engine without waking it. `cold` is well: the first generation wakes it."""

    state: EngineState
    model: str
    detail: str = ""


class DegradedHealth(BaseModel):
    """Degraded mode, where the operator wants it: `active` while the database cannot be reached.

    `unsettled` is the work done meanwhile on this server's account that is not booked yet.
    """

    active: bool
    unsettled: int


class Health(BaseModel):
    """`ok`, or `degraded` while the database cannot be reached; the server itself is up, since it answers.

    While there is `maintenance` changes are refused (503), and reading goes on.
    """

    status: Literal["ok", "degraded"]
    version: str
    environment: str
    database: DatabaseHealth
    engine: EngineHealth
    maintenance: Maintenance | None = None
    degraded_mode: DegradedHealth | None = None


async def engine_health(engine: EngineClient, model: str) -> EngineHealth:
    """Within `DEADLINE_S`: an engine that does not say how it is, is `unknown`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            status = await engine.status()
    except (Failure, TimeoutError):
        status = EngineStatus(state="unknown", model=model)
    return EngineHealth(state=status.state, model=status.model, detail=status.detail)


def degraded_health(app: Services, database: DatabaseHealth) -> DegradedHealth | None:
    """None where degraded mode is not wanted."""
    if app.degraded is None:
        return None
    return DegradedHealth(active=not database.reachable, unsettled=app.degraded.unsettled)


@router.head("/health", include_in_schema=False)
@router.get("/health", summary="Whether the server is well")
async def health(app: App) -> Health:
    """Liveness: 200 as long as the server can answer. `database` and `engine` say what else works."""
    database, engine, maintenance = await asyncio.gather(
        app.database_check.health(),
        engine_health(app.engine, app.settings.engine.model),
        app.maintenance.standing(),
    )
    return Health(
        status="ok" if database.reachable else "degraded",
        version=VERSION,
        environment=app.settings.environment,
        database=database,
        engine=engine,
        maintenance=maintenance,
        degraded_mode=degraded_health(app, database),
    )
