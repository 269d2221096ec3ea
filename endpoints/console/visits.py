"""Who is at the console: tokens in cookies that scripts cannot read, renewed when they have run out.

Two cookies hold the session (access and refresh token), a third the form token that every change must repeat
(double submit); another site can make a browser send the cookies, but neither read nor repeat them.
"""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Literal

from starlette.requests import Request
from starlette.responses import Response

from endpoints.services import Services
from functions.callers import Caller
from functions.failures import Forbidden, Unauthenticated
from functions.sign_ins import Tokens

REFRESH_LIFETIME_S = 60 * 60 * 24 * 30
FORM_FIELD = "form_token"
FORM_HEADER = "x-form-token"

CookieName = Literal["access", "refresh", "form", "provider"]
PROVIDER_LIFETIME_S = 600


@dataclass
class Visit:
    """One request to the console. `renewed` is to be set as cookies with the answer."""

    form_token: str
    caller: Caller | None = None
    renewed: Tokens | None = None


async def recognise(app: Services, request: Request) -> Visit:
    """Who the cookies say it is, by the access token, else by a new one for the refresh token; else nobody.

    Raises `Unavailable` when it cannot be known, `RateLimited` for an address whose strangers are too many: refresh
    tokens that are guessed would be asked of the auth service one by one.
    """
    visit = Visit(form_token=_cookie(app, request, "form") or secrets.token_urlsafe(24))
    if access := _cookie(app, request, "access"):
        try:
            visit.caller = await app.authenticator.signed_in(access)
        except Unauthenticated:
            visit.caller = None
    if visit.caller is None and (refresh := _cookie(app, request, "refresh")):
        app.address_limits.require(request.scope)
        try:
            visit.renewed = await app.sign_ins.refresh(refresh)
            visit.caller = await app.authenticator.signed_in(visit.renewed.access_token)
        except Unauthenticated:
            visit.renewed = None
    return visit


async def require_own_form(request: Request, visit: Visit) -> None:
    """Raises `Forbidden` for a change that does not come from a page that was served here to this browser."""
    origin = request.headers.get("origin")
    if origin is not None and origin.partition("://")[2] != request.headers.get("host"):
        raise Forbidden("this form comes from another site")
    given = request.headers.get(FORM_HEADER)
    if given is None:
        value = (await request.form()).get(FORM_FIELD)
        given = value if isinstance(value, str) else ""
    if not hmac.compare_digest(given.encode(), visit.form_token.encode()):
        raise Forbidden("this page is too old to be used: load it again, and repeat what you did")


def keep(app: Services, request: Request, response: Response, visit: Visit) -> None:
    """Set the cookies that the browser does not have yet."""
    if _cookie(app, request, "form") != visit.form_token:
        _set(app, response, "form", visit.form_token, REFRESH_LIFETIME_S)
    if visit.renewed is not None:
        _set(app, response, "access", visit.renewed.access_token, visit.renewed.expires_in)
        _set(app, response, "refresh", visit.renewed.refresh_token, REFRESH_LIFETIME_S)


def forget(app: Services, response: Response) -> None:
    """Take back the cookies of a session that is over."""
    for name in ("access", "refresh", "form"):
        response.delete_cookie(_name(app, name), path="/", secure=_is_secure(app), httponly=True, samesite="lax")


def access_token(app: Services, request: Request) -> str | None:
    """The access token as the browser sent it, good or not."""
    return _cookie(app, request, "access")


def origin(app: Services, request: Request) -> str:
    """The address that the browser knows this console by."""
    return f"{'https' if _is_secure(app) else 'http'}://{request.headers.get('host', '')}"


def begin_with_provider(app: Services, response: Response, begun: str) -> None:
    """Keep what is needed when the browser comes back from a provider."""
    _set(app, response, "provider", base64.urlsafe_b64encode(begun.encode()).decode(), PROVIDER_LIFETIME_S)


def begun_with_provider(app: Services, request: Request) -> dict[str, str] | None:
    """What was kept; None when it is too long ago, or was in another browser."""
    try:
        begun = json.loads(base64.urlsafe_b64decode(_cookie(app, request, "provider") or ""))
        return {"verifier": str(begun["verifier"]), "next": str(begun["next"])}
    except (ValueError, KeyError, TypeError):
        return None


def forget_provider(app: Services, response: Response) -> None:
    """It serves once."""
    response.delete_cookie(_name(app, "provider"), path="/", secure=_is_secure(app), httponly=True, samesite="lax")


def _set(app: Services, response: Response, name: CookieName, value: str, lifetime_s: int) -> None:
    response.set_cookie(
        _name(app, name),
        value,
        max_age=lifetime_s,
        path="/",
        secure=_is_secure(app),
        httponly=True,
        samesite="lax",
    )


def _cookie(app: Services, request: Request, name: CookieName) -> str | None:
    return request.cookies.get(_name(app, name))


def _name(app: Services, name: CookieName) -> str:
    """With the prefix that browsers take only from a secure host for itself alone (RFC 6265bis, section 4.1.3.2)."""
    return f"__Host-lift-{name}" if _is_secure(app) else f"lift-{name}"


def _is_secure(app: Services) -> bool:
    return app.settings.environment != "local"  # a laptop serves plain HTTP
