"""For operators: how this deployment is, and what it is set to."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute
from endpoints.guard import App, Reader
from endpoints.health import engine_health
from endpoints.version import VERSION
from functions.failures import NotFound

router = APIRouter(route_class=ConsoleRoute, prefix="/operate", include_in_schema=False)


@router.get("")
async def operate(request: Request, app: App, caller: Reader) -> Response:
    """Health, what is under way in this container, limits and prices. Who is no operator finds nothing here."""
    if not caller.operator:
        raise NotFound("such page")
    settings = app.settings
    database, engine = await asyncio.gather(
        app.database_check.health(), engine_health(app.engine, settings.engine.model)
    )
    return page(
        request,
        "operate.html",
        database=database,
        engine=engine,
        version=VERSION,
        settings=settings,
        validator=app.validator.stats,
        orders=list(app.running_orders),
    )
