"""Signing in and out."""

import contextlib
from typing import Annotated

from fastapi import APIRouter, Form, Query
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from endpoints.console import visits
from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute, Visitor
from endpoints.guard import App
from functions.failures import NotFound, Unauthenticated, Unavailable
from functions.sign_ins import Credentials

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

Next = Annotated[str, Form(alias="next", max_length=2000)]


@router.get("/sign-in")
async def sign_in_page(
    request: Request,
    app: App,
    visitor: Visitor,
    onward: Annotated[str, Query(alias="next", max_length=2000)] = "/",
) -> Response:
    """The form; who is signed in already goes on."""
    if visitor is not None:
        return RedirectResponse(own_path(onward), status_code=303)
    return show_form(request, app, onward=own_path(onward))


@router.post("/sign-in")
async def sign_in(
    request: Request,
    app: App,
    email: Annotated[str, Form(max_length=320)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    onward: Next = "/",
) -> Response:
    """By address and password."""
    return await _enter(request, app, Credentials(email.strip(), password), onward)


@router.post("/sign-in/development")
async def sign_in_as_developer(request: Request, app: App, onward: Next = "/") -> Response:
    """As the local stack's development user, where there is one."""
    if app.development_user is None:
        raise NotFound("development user here")
    return await _enter(request, app, app.development_user, onward)


@router.post("/sign-out")
async def sign_out(request: Request, app: App) -> Response:
    """End the session here and at the auth service."""
    if token := visits.access_token(app, request):
        with contextlib.suppress(Unavailable):  # the browser forgets it all the same, and the token runs out by itself
            await app.sign_ins.end(token)
    response = RedirectResponse("/sign-in", status_code=303)
    request.state.visit.renewed = None
    visits.forget(app, response)
    return response


def show_form(request: Request, app: App, *, status: int = 200, onward: str = "/", **values: str) -> Response:
    """The sign-in page, which also says what this is."""
    shown = {"onward": onward, "email": "", "refusal": "", "has_developer": app.development_user is not None, **values}
    return page(request, "sign_in.html", status, **shown, providers=app.settings.web.oauth_providers)


async def _enter(request: Request, app: App, credentials: Credentials, onward: str) -> Response:
    try:
        request.state.visit.renewed = await app.sign_ins.by_password(credentials)
    except Unauthenticated as refusal:
        return show_form(
            request, app, status=401, onward=own_path(onward), email=credentials.email, refusal=str(refusal)
        )
    return RedirectResponse(own_path(onward), status_code=303)


def own_path(path: str) -> str:
    """`path` if it is one of ours; a form must not send people to another site after they have signed in."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if is_own else "/"
