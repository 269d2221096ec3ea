"""Who is asking: the API key that lets a request in, and the token that it acts with."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
from starlette.requests import Request

from infra.local.gateway.failures import GatewayFailure, rest_failure
from infra.local.gateway.keys import API_ROLES, Keys

CLOCK_SKEW_S = 30  # PostgREST's own allowance


def require_api_key(request: Request, keys: Keys) -> str:
    """The request's API key. Raises `GatewayFailure` in the words of Supabase's API gateway."""
    key = request.headers.get("apikey") or request.query_params.get("apikey")
    if not key:
        hint = "No `apikey` request header or url param was found."
        raise GatewayFailure(401, {"message": "No API key found in request", "hint": hint})
    try:
        claims = keys.verify(key)
    except jwt.InvalidTokenError:
        claims = {}
    if claims.get("role") not in API_ROLES or _time_fault(claims):
        hint = "Double check your Supabase `anon` or `service_role` API key."
        raise GatewayFailure(401, {"message": "Invalid API key", "hint": hint})
    return key


def bearer_claims(request: Request, keys: Keys) -> dict[str, Any]:
    """Verified claims of the `Authorization` header, else of the API key. Raises PostgREST's failures."""
    api_key = require_api_key(request, keys)
    scheme, _, token = request.headers.get("authorization", f"Bearer {api_key}").partition(" ")
    if scheme.lower() != "bearer":
        token = api_key  # PostgREST knows no other scheme and passes over it
    try:
        claims = keys.verify(token.strip())
    except jwt.InvalidAlgorithmError as error:
        raise _invalid("PGRST301", "Wrong or unsupported encoding algorithm", str(error)) from None
    except jwt.InvalidSignatureError:
        raise _invalid("PGRST301", "No suitable key or wrong key type") from None
    except jwt.InvalidTokenError:
        parts = len(token.split("."))
        message = "JWT cryptographic operation failed" if parts == 3 else f"Expected 3 parts in JWT; got {parts}"  # noqa: PLR2004
        raise _invalid("PGRST301", message) from None
    if fault := _time_fault(claims):
        raise _invalid("PGRST303", fault)
    return claims


def _time_fault(claims: Mapping[str, Any]) -> str | None:
    now = time.time()
    for name in ("exp", "nbf", "iat"):
        if name in claims and not isinstance(claims[name], int | float):
            return f"The JWT '{name}' claim must be a number"
    if claims.get("exp", now) < now - CLOCK_SKEW_S:
        return "JWT expired"
    if claims.get("nbf", now) > now + CLOCK_SKEW_S:
        return "JWT not yet valid"
    if claims.get("iat", now) > now + CLOCK_SKEW_S:
        return "JWT issued at future"
    return None


def _invalid(code: str, message: str, details: str | None = None) -> GatewayFailure:
    challenge = f'Bearer error="invalid_token", error_description="{message}"'
    return rest_failure(401, code, message, details=details, headers={"WWW-Authenticate": challenge})
