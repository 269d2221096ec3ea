"""The web application: middleware from the outside in, then routes. No globals; everything comes in `Services`."""

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from endpoints import (
    account,
    checking,
    constraint_sets,
    extraction,
    generation,
    health,
    health_detailed,
    hole_resolution,
    maintenance,
    operation,
    pages,
    reversal,
    session_assists,
    session_closing,
    session_code,
    session_creation,
    session_events,
    session_search,
    session_versions,
    sessions,
    sharing,
    specification,
)
from endpoints.access_log import CLIENT_CLOSED_REQUEST, AccessLogMiddleware
from endpoints.body_limit import BodyLimitMiddleware
from endpoints.console.problem_pages import ProblemPagesMiddleware
from endpoints.console.rendering import load_templates
from endpoints.console.routers import CONSOLE_ROUTERS
from endpoints.guard import unguarded_routes
from endpoints.openai.routers import OPENAI_ROUTERS
from endpoints.openapi import describe
from endpoints.overload import OverloadMiddleware
from endpoints.problems import answer_failure, answer_http_exception, answer_invalid
from endpoints.request_id import RequestIdMiddleware
from endpoints.response_headers import ResponseHeadersMiddleware
from endpoints.security_headers import SECURITY_HEADERS
from endpoints.services import Services
from endpoints.trace_context import TraceContextMiddleware
from endpoints.unexpected_errors import UnexpectedErrorsMiddleware
from endpoints.work import ClientGone
from functions.failures import Failure
from infra.settings import WebSettings

ROUTERS = (  # looked through in this order: first what programs ask most
    *OPENAI_ROUTERS,
    generation.router,
    health.router,
    pages.router,
    *CONSOLE_ROUTERS,
    session_creation.router,
    session_search.router,  # before what takes any word for an id
    sessions.router,
    session_versions.router,
    session_closing.router,
    session_code.router,
    session_code.watching,
    hole_resolution.router,
    session_assists.router,
    session_events.router,
    sharing.router,
    specification.router,
    reversal.router,
    constraint_sets.router,
    checking.router,
    extraction.router,
    account.router,
    operation.router,
    maintenance.router,
    health_detailed.router,
)

LARGE_BODIES = ("/api/compile", "/api/compile/batch", "/api/compile/stream", "/api/check", "/api/extract")
"""Paths that take source code, or thousands of constraints."""

_ASKED_ACROSS_ORIGINS = [
    *("authorization", "content-type", "idempotency-key", "if-match", "last-event-id"),
    *("traceparent", "tracestate", "x-api-key", "x-request-id"),
]
_ANSWERED_ACROSS_ORIGINS = [
    *("etag", "location", "ratelimit", "ratelimit-policy", "retry-after"),
    *("traceparent", "x-request-id", "x-should-retry", "idempotent-replayed", "service-mode"),
    *("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
]


def create_app(services: Services) -> FastAPI:
    """The application over `services`, whose life is the caller's to manage (`endpoints.composition.compose`)."""
    app = FastAPI(
        title="lift-sys",
        openapi_url=None,  # `endpoints.pages` has it, with an ETag
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a path is right or it is not: redirects lose bodies and leak Host headers
        middleware=_middleware(services.settings.web),
    )
    app.state.services = services
    app.add_exception_handler(Failure, answer_failure)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(HTTPException, answer_http_exception)
    app.add_exception_handler(ClientGone, _answer_nobody)
    for router in ROUTERS:
        app.include_router(router)
    pages.mount_assets(app)
    load_templates()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign] # FastAPI's documented way
    if unguarded := unguarded_routes(app):
        raise RuntimeError(f"routes that are neither public nor ask for a scope: {', '.join(unguarded)}")
    return app


def _middleware(web: WebSettings) -> list[Middleware]:
    """Outermost first. Whatever refuses a request stands inside what every response must have."""
    return [
        Middleware(RequestIdMiddleware),
        Middleware(TraceContextMiddleware),
        Middleware(AccessLogMiddleware),
        Middleware(ResponseHeadersMiddleware, headers=SECURITY_HEADERS),
        Middleware(
            CORSMiddleware,
            allow_origins=web.cors_origins,
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=_ASKED_ACROSS_ORIGINS,
            expose_headers=_ANSWERED_ACROSS_ORIGINS,
        ),
        Middleware(ProblemPagesMiddleware),
        Middleware(UnexpectedErrorsMiddleware),
        Middleware(OverloadMiddleware, limit=web.max_concurrent_requests, exempt=["/health"]),
        Middleware(
            BodyLimitMiddleware,
            limit_bytes=web.body_limit_bytes,
            larger=dict.fromkeys(LARGE_BODIES, web.large_body_limit_bytes),
        ),
    ]


async def _answer_nobody(_request: Request, _gone: Exception) -> Response:
    return Response(status_code=CLIENT_CLOSED_REQUEST)
