"""/api/maintenance: operators turn changes off for a while, and on again, without a deployment."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from starlette.responses import Response

from endpoints.guard import App, GuardedRoute, Operators
from endpoints.openapi import problem_responses
from endpoints.services import Services
from functions.callers import Caller
from functions.failures import Conflict
from functions.maintenance_switch import Maintenance

router = APIRouter(route_class=GuardedRoute, prefix="/api/maintenance", tags=["operation"])

Reading = Annotated[Caller, Depends(Operators("read"))]
Turning = Annotated[Caller, Depends(Operators("admin", during_maintenance=True))]


class MaintenanceBody(BaseModel):
    """Why, and until when: it ends by itself then."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"reason": "the database is being upgraded", "until": "2030-01-01T03:00:00Z"}]},
    )

    reason: str = Field(min_length=1, max_length=500, description="Told to everybody whose change is refused.")
    until: AwareDatetime | None = Field(default=None, description="Without it: until somebody turns it off.")


class MaintenanceState(BaseModel):
    """`on`, by an operator or by the settings of the deployment, and what stands then."""

    on: bool
    source: Literal["operator", "settings"] | None = None
    maintenance: Maintenance | None = None


@router.get("", summary="Whether changes are taken")
async def read_maintenance(app: App, caller: Reading) -> MaintenanceState:
    """As it is in the database now. Servers follow within three seconds."""
    return _state(app, await app.maintenance.of_operator(caller))


@router.put("", summary="Take no changes for a while", responses=problem_responses(403, 422))
async def begin_maintenance(body: MaintenanceBody, app: App, caller: Turning) -> MaintenanceState:
    """Changes are answered 503 with Retry-After from now on; what reads goes on, and what has begun is finished.

    Sent again it changes the reason and the end.
    """
    return _state(app, await app.maintenance.begin(caller, body.reason, body.until))


@router.delete("", status_code=204, summary="Take changes again", responses=problem_responses(403, 409))
async def end_maintenance(app: App, caller: Turning) -> Response:
    """It need not be on. 409 where the deployment's settings say so: they are changed by a deployment."""
    await app.maintenance.end(caller)
    if app.settings.availability.maintenance:
        raise Conflict("it is turned on by the settings (availability.maintenance)", {})
    return Response(status_code=204)


def _state(app: Services, standing: Maintenance | None) -> MaintenanceState:
    source: Literal["operator", "settings"] = "settings" if app.settings.availability.maintenance else "operator"
    return MaintenanceState(on=standing is not None, source=source if standing else None, maintenance=standing)
