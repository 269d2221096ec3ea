"""The console's routes: signed in by cookie, changed by own forms alone, failing as pages or parts of pages."""

import asyncio
from typing import Annotated, cast
from urllib.parse import quote

from fastapi import Depends
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from endpoints.console import visits
from endpoints.console.rendering import failure_page
from endpoints.guard import PUBLIC_PATHS, SAFE_METHODS, GuardedRoute, RouteHandler, changes_something
from endpoints.overload import require_share
from endpoints.rate_limit_headers import counted
from endpoints.server_sent_events import Event, wants_events
from endpoints.services import Services, services_of
from functions.callers import Caller
from functions.failures import Failure, Unauthenticated


class ConsoleRoute(GuardedRoute):
    """A page, a part of one, or a form's target."""

    def get_route_handler(self) -> RouteHandler:
        """FastAPI's hook for what surrounds a route's own code."""
        handle = APIRoute.get_route_handler(self)
        is_public = self.path_format in PUBLIC_PATHS
        is_change = changes_something(self)

        async def guarded(request: Request) -> Response:
            services = await services_of(request)
            visit = None
            try:
                visit = request.state.visit = await visits.recognise(services, request)
                is_form = request.method not in SAFE_METHODS
                if visit.caller is None or (is_public and is_form):  # who is signed in can guess passwords, too
                    counted(request, [services.address_limits.take(request.scope)])
                if visit.caller is not None:
                    require_share(request.scope, visit.caller)
                if is_form:
                    await visits.require_own_form(request, visit)
                await _look_around(request, services)
                if visit.caller is None and not is_public:
                    response = _to_sign_in(request)
                else:
                    if is_change:
                        await services.maintenance.require_off()
                    request.state.caller = visit.caller
                    response = await handle(request)
            except Unauthenticated as unauthenticated:
                response = _to_sign_in(request) if not is_public else failure_page(request, unauthenticated)
            except (Failure, RequestValidationError, HTTPException) as error:
                response = failure_page(request, error)
            if visit is not None:
                visits.keep(services, request, response, visit)
            return response

        return guarded


async def _look_around(request: Request, services: Services) -> None:
    """What every page shows: whether changes are taken, and whether the database is there."""
    health, _ = await asyncio.gather(services.database_check.health(), services.maintenance.standing())
    request.state.database_away = not health.reachable


def go_to(request: Request, path: str) -> Response:
    """Send the browser on, whether it asked by a form or by a script of the page."""
    if is_partial(request):
        return Response(status_code=204, headers={"hx-redirect": path})
    return RedirectResponse(path, status_code=303)


def is_partial(request: Request) -> bool:
    """Whether a script of the page asks, for a part of it."""
    return request.headers.get("hx-request") == "true"


def _to_sign_in(request: Request) -> Response:
    if wants_events(request):
        # Not an error status: an event source would only try again.
        return Response(Event("signed-out", {}).encoded(), media_type="text/event-stream")
    here = request.url.path if request.method in SAFE_METHODS else "/"
    return go_to(request, f"/sign-in?next={quote(here, safe='/')}")


async def _visitor(request: Request) -> Caller | None:
    return cast("visits.Visit", request.state.visit).caller


Visitor = Annotated[Caller | None, Depends(_visitor)]
"""Who is at a public page, if anybody is signed in."""
