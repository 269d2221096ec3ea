"""Who may reach which route. Everything needs credentials, except what `PUBLIC_PATHS` lists; `create_app` checks it.

Credentials are checked after routing and before a byte of the body is read: a stranger costs nothing.
"""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Literal, cast

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from endpoints.degraded import note_degraded
from endpoints.json_request import JsonRequest, require_json
from endpoints.overload import require_share
from endpoints.rate_limit_headers import counted
from endpoints.services import Services, services_of
from functions.callers import Caller
from functions.degraded_mode import DegradedMode
from functions.failures import DatabaseUnavailable, Forbidden, Unauthenticated
from functions.ledger import RateState

PUBLIC_PATHS = frozenset(
    {
        "/",
        "/sign-in",
        "/sign-in/development",
        "/sign-in/with/{provider}",
        "/sign-in/callback",
        "/sign-out",
        "/health",
        "/docs",
        "/docs/problems",
        "/assets",
        "/assets/vendor",
        "/openapi.json",
        "/api/ir/schema",
    }
)

UNCOUNTED_PATH = "/health"
"""Whoever watches over the service asks as often as they must."""

Scope = Literal["read", "generate", "admin"]
"""What an API key may be for: reading; also creating and changing; also keys, sharing and the profile."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


RouteHandler = Callable[[Request], Coroutine[Any, Any, Response]]


class GuardedRoute(APIRoute):
    """A route that authenticates its caller, unless its path is public, and takes strict JSON alone."""

    def get_route_handler(self) -> RouteHandler:
        """FastAPI's hook for what surrounds a route's own code."""
        handle = super().get_route_handler()
        is_public = self.path_format in PUBLIC_PATHS or self.path in PUBLIC_PATHS
        takes_body = self.body_field is not None
        is_change = changes_something(self)
        without_database = any(asked.without_database for asked in _required(self))

        async def guarded(request: Request) -> Response:
            if not is_public:
                caller = request.state.caller = await _known_caller(request, without_database=without_database)
                require_share(request.scope, caller)
            elif self.path != UNCOUNTED_PATH:
                counted(request, [(await services_of(request)).address_limits.take(request.scope)])
            if is_change:
                await (await services_of(request)).maintenance.require_off()
            if takes_body:
                require_json(request)
            try:
                return await self.serve(JsonRequest(request.scope, request.receive), handle)
            except HTTPException as error:
                # FastAPI takes what is wrong with a body's values for a body that cannot be read.
                if isinstance(error.__cause__, RequestValidationError):
                    raise error.__cause__ from None
                raise

        return guarded

    async def serve(self, request: JsonRequest, handle: RouteHandler) -> Response:
        """What is done with a request that has been let in; kinds of routes add to it."""
        return await handle(request)


async def _known_caller(request: Request, *, without_database: bool) -> Caller:
    """Who is asking. Credentials that do not hold count against the address that they come from.

    Where it may go on `without_database` in degraded mode, a key that was good in the last minutes still is.

    Raises `Unauthenticated`, `Unavailable`, and `RateLimited` in the place of the first.
    """
    services = await services_of(request)
    limits = services.address_limits
    try:
        return await services.authenticator.caller(
            request.headers,
            before_asking=lambda: limits.require(request.scope),
            degraded=services.degraded if without_database else None,
        )
    except Unauthenticated:
        counted(request, [limits.take(request.scope)])
        raise


class RequiredScope:
    """The dependency that hands a route its caller, once the caller's credentials are for such things.

    A `counted` request is taken from the caller's rate of requests that cost nothing; those that cost money are
    counted when they are admitted. Changes are refused during maintenance, unless they are to be made
    `during_maintenance`. What needs no database may go on `without_database` in degraded mode.
    """

    def __init__(
        self, scope: Scope, *, counted: bool = True, during_maintenance: bool = False, without_database: bool = False
    ) -> None:
        self.scope = scope
        self.counted = counted
        self.during_maintenance = during_maintenance
        self.without_database = without_database

    async def __call__(self, request: Request) -> Caller:
        caller = cast("Caller", request.state.caller)
        if self.scope not in caller.scopes:
            has = ", ".join(sorted(caller.scopes)) or "none"
            raise Forbidden(f"this needs an API key with the scope {self.scope!r}; this one has: {has}")
        services = await services_of(request)
        degraded = services.degraded if self.without_database else None
        request.state.degraded = degraded
        if self.counted:
            counted(request, [await _taken(request, services, caller, degraded)])
        return caller


async def _taken(request: Request, services: Services, caller: Caller, degraded: DegradedMode | None) -> RateState:
    """Count a request of the caller's, here alone if it must and may be."""
    if degraded is None or not degraded.is_away:
        try:
            state = await services.read_limits.take(caller)
        except DatabaseUnavailable:
            if degraded is None:
                raise
            degraded.failed()
        else:
            if services.degraded is not None:
                services.degraded.verified(caller)
            return state
    state = degraded.take(caller)
    note_degraded(request)
    return state


class Operators(RequiredScope):
    """Who the token says is an operator: the database, which would know best, may be what is not well."""

    async def __call__(self, request: Request) -> Caller:
        caller = await super().__call__(request)
        if not caller.operator:
            raise Forbidden("this is for operators")
        return caller


Reader = Annotated[Caller, Depends(RequiredScope("read"))]
Editor = Annotated[Caller, Depends(RequiredScope("generate"))]
Generator = Annotated[Caller, Depends(RequiredScope("generate", counted=False))]
DegradableReader = Annotated[Caller, Depends(RequiredScope("read", without_database=True))]
DegradableGenerator = Annotated[Caller, Depends(RequiredScope("generate", counted=False, without_database=True))]
Administrator = Annotated[Caller, Depends(RequiredScope("admin"))]
App = Annotated[Services, Depends(services_of)]


def unguarded_routes(app: FastAPI) -> list[str]:
    """Paths that are neither public nor ask for a scope: there must be none."""
    return [path for route in app.routes if (path := getattr(route, "path", "?")) and not _is_guarded(route, path)]


def changes_something(route: APIRoute) -> bool:
    """Whether the route is one that maintenance closes: it takes more than reading, by its method and by its scope.

    What asks for the scope of reading alone stores nothing, whatever its method: compiling, checking, extracting.
    """
    if route.methods <= SAFE_METHODS:
        return False
    return any(asked.scope != "read" and not asked.during_maintenance for asked in _required(route))


def _is_guarded(route: object, path: str) -> bool:
    return path in PUBLIC_PATHS or (isinstance(route, GuardedRoute) and bool(_required(route)))


def _required(route: APIRoute) -> list[RequiredScope]:
    dependencies = route.dependant.dependencies
    return [dependency.call for dependency in dependencies if isinstance(dependency.call, RequiredScope)]
