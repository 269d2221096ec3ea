"""`/auth/v1`: stands for Supabase's auth service.

It has sign-up and sign-in by email and password, refresh, sign-out, the user's own record, administration of users, and
the JWKS. It sends no mail, so every address counts as confirmed; it has no rate limits, no phones, no other providers.
"""

import uuid
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from infra.local.gateway.accounts import Accounts, UserAttributes
from infra.local.gateway.failures import GatewayFailure, auth_failure
from infra.local.gateway.keys import Keys
from infra.local.gateway.sign_ins import SignIns
from infra.local.gateway.tokens import bearer_claims, require_api_key

Model = TypeVar("Model", bound=BaseModel)

PER_PAGE = 50


class Credentials(BaseModel):
    """Of sign-up and sign-in. The clients send more (captcha, PKCE), which has no meaning here."""

    email: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None


class RefreshToken(BaseModel):
    """Of `grant_type=refresh_token`."""

    refresh_token: str


class OwnAttributes(BaseModel):
    """What users may change on themselves."""

    email: str | None = None
    password: str | None = None
    data: dict[str, Any] | None = None


class Auth:
    """The endpoints."""

    def __init__(self, accounts: Accounts, sign_ins: SignIns, keys: Keys) -> None:
        self._accounts = accounts
        self._sign_ins = sign_ins
        self._keys = keys

    def routes(self) -> list[Route]:
        """Paths are relative to `/auth/v1`."""
        return [
            Route("/signup", self._sign_up, methods=["POST"]),
            Route("/token", self._token, methods=["POST"]),
            Route("/logout", self._log_out, methods=["POST"]),
            Route("/user", self._own_user, methods=["GET"]),
            Route("/user", self._update_own_user, methods=["PUT"]),
            Route("/admin/users", self._create_user, methods=["POST"]),
            Route("/admin/users", self._list_users, methods=["GET"]),
            Route("/admin/users/{id:uuid}", self._user, methods=["GET", "PUT", "DELETE"]),
            Route("/.well-known/jwks.json", self._jwks),
            Route("/settings", self._settings),
            Route("/health", self._health),
        ]

    async def _sign_up(self, request: Request) -> Response:
        require_api_key(request, self._keys)
        wanted = await _body(request, Credentials)
        if not wanted.email and not wanted.password:
            raise auth_failure(422, "anonymous_provider_disabled", "Anonymous sign-ins are disabled")
        if not wanted.password:
            raise auth_failure(400, "validation_failed", "Signup requires a valid password")
        attributes = UserAttributes(email=wanted.email, password=wanted.password, user_metadata=wanted.data or {})
        user = await self._accounts.create(attributes)
        return JSONResponse(await self._sign_ins.start(user, request.headers.get("user-agent")))

    async def _token(self, request: Request) -> Response:
        require_api_key(request, self._keys)
        grant = request.query_params.get("grant_type")
        if grant == "refresh_token":
            return JSONResponse(await self._sign_ins.refresh((await _body(request, RefreshToken)).refresh_token))
        if grant != "password":
            raise auth_failure(400, "unsupported_grant_type", f"unsupported_grant_type: {grant}")
        given = await _body(request, Credentials)
        user = await self._accounts.with_password(given.email or "", given.password or "")
        return JSONResponse(await self._sign_ins.start(user, request.headers.get("user-agent")))

    async def _log_out(self, request: Request) -> Response:
        claims = self._signed_in(request)
        await self._sign_ins.user_of(claims)
        match request.query_params.get("scope", "global"):
            case "global" | "local" | "others" as scope:
                await self._sign_ins.end(claims, scope)
            case scope:
                raise auth_failure(400, "validation_failed", f'Unsupported logout scope "{scope}"')
        return Response(status_code=204)

    async def _own_user(self, request: Request) -> Response:
        return JSONResponse(await self._sign_ins.user_of(self._signed_in(request)))

    async def _update_own_user(self, request: Request) -> Response:
        user = await self._sign_ins.user_of(self._signed_in(request))
        wanted = await _body(request, OwnAttributes)
        attributes = UserAttributes(email=wanted.email, password=wanted.password, user_metadata=wanted.data or {})
        return JSONResponse(await self._accounts.update(uuid.UUID(user["id"]), attributes))

    async def _create_user(self, request: Request) -> Response:
        self._require_service_role(request)
        return JSONResponse(await self._accounts.create(await _body(request, UserAttributes)))

    async def _list_users(self, request: Request) -> Response:
        self._require_service_role(request)
        page, per_page = (_positive(request, name, default) for name, default in (("page", 1), ("per_page", PER_PAGE)))
        users, total = await self._accounts.list(page, per_page)
        return JSONResponse({"users": users, "aud": "authenticated"}, headers={"X-Total-Count": str(total)})

    async def _user(self, request: Request) -> Response:
        self._require_service_role(request)
        user_id: uuid.UUID = request.path_params["id"]
        if request.method == "DELETE":
            await self._accounts.delete(user_id)
            return JSONResponse({})
        if request.method == "PUT":
            return JSONResponse(await self._accounts.update(user_id, await _body(request, UserAttributes)))
        return JSONResponse(await self._accounts.get(user_id))

    async def _jwks(self, request: Request) -> Response:
        del request
        return JSONResponse(self._keys.jwks, headers={"Cache-Control": "public, max-age=600"})

    async def _settings(self, request: Request) -> Response:
        require_api_key(request, self._keys)
        return JSONResponse(
            {
                "external": {"email": True, "phone": False, "anonymous_users": False},
                "disable_signup": False,
                "mailer_autoconfirm": True,
                "phone_autoconfirm": False,
                "saml_enabled": False,
            }
        )

    async def _health(self, request: Request) -> Response:
        del request
        return JSONResponse({"name": "GoTrue", "version": "local", "description": "lift-sys local gateway"})

    def _signed_in(self, request: Request) -> dict[str, Any]:
        require_api_key(request, self._keys)
        if "authorization" not in request.headers:
            raise auth_failure(401, "no_authorization", "This endpoint requires a Bearer token")
        try:
            return bearer_claims(request, self._keys)
        except GatewayFailure as failure:
            raise auth_failure(403, "bad_jwt", f"invalid JWT: {failure.body['message']}") from None

    def _require_service_role(self, request: Request) -> None:
        if self._signed_in(request).get("role") != "service_role":
            raise auth_failure(403, "not_admin", "User not allowed")


async def _body(request: Request, model: type[Model]) -> Model:
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}" for fault in error.errors())
        raise auth_failure(400, "validation_failed", faults) from None


def _positive(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name) or str(default)
    if not text.isdigit() or int(text) == 0:
        raise auth_failure(400, "validation_failed", f"Bad Pagination Parameters: {name} is {text!r}")
    return int(text)
