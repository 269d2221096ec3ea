"""GET /health: cheap, for everyone, and it never wakes a GPU."""

import asyncio
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from endpoints.database_check import DEADLINE_S, DatabaseHealth
from endpoints.guard import App, GuardedRoute
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


async def engine_health(engine: EngineClient, model: str) -> EngineHealth:
    """Within `DEADLINE_S`: an engine that does not say how it is, is `unknown`."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            status = await engine.status()
    except (Failure, TimeoutError):
        status = EngineStatus(state="unknown", model=model)
    return EngineHealth(state=status.state, model=status.model, detail=status.detail)


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
    )
