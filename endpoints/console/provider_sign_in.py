"""Signing in by another provider (GitHub, Google and so on), through the Supabase project's auth service.

The authorization code flow with PKCE (RFC 7636): the verifier stays in a cookie of this browser, so that a code is of
use to nobody else, and nobody can be signed in by a link that somebody else has begun.
"""

import json
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from endpoints.console import visits
from endpoints.console.route import ConsoleRoute
from endpoints.console.sign_in import own_path, show_form
from endpoints.guard import App
from functions.failures import NotFound, Unauthenticated
from functions.sign_ins import new_verifier

router = APIRouter(route_class=ConsoleRoute, prefix="/sign-in", include_in_schema=False)

CALLBACK = "/sign-in/callback"


@router.get("/with/{provider}")
async def begin(
    request: Request, app: App, provider: str, onward: Annotated[str, Query(alias="next", max_length=2000)] = "/"
) -> Response:
    """Send the browser to the provider, by way of the auth service."""
    if provider not in app.settings.web.oauth_providers:
        raise NotFound("such a way to sign in")
    verifier = new_verifier()
    address = app.sign_ins.address_of(provider, verifier, back_to=visits.origin(app, request) + CALLBACK)
    response = RedirectResponse(address, status_code=303)
    visits.begin_with_provider(app, response, json.dumps({"verifier": verifier, "next": own_path(onward)}))
    return response


@router.get("/callback")
async def end(
    request: Request,
    app: App,
    code: Annotated[str, Query(max_length=2000)] = "",
    error_description: Annotated[str, Query(max_length=500)] = "",
) -> Response:
    """Back from the provider, with a code for a session, or with why there is none."""
    begun = visits.begun_with_provider(app, request)
    refusal = ""
    if not code:
        refusal = error_description or "the provider did not say who you are"
    elif begun is None:
        refusal = "that took too long, or was begun in another browser: try again"
    else:
        try:
            request.state.visit.renewed = await app.sign_ins.by_code(code, begun["verifier"])
        except Unauthenticated as unauthenticated:
            refusal = str(unauthenticated)
    response: Response
    if refusal or begun is None:
        response = show_form(request, app, status=401, refusal=refusal)
    else:
        response = RedirectResponse(own_path(begun["next"]), status_code=303)
    visits.forget_provider(app, response)
    return response
