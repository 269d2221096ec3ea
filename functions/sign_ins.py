"""Signing in by password or by another provider: what the Supabase project's auth service does, for the console."""

import asyncio
import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from functions.failures import Unauthenticated, Unavailable

SERVICE = "the sign-in service"
REUSED_S = 10.0
"""How long an exchange of a refresh token is answered again: a page's requests come at once, with the same one."""

_REFUSED = frozenset({400, 401, 403, 404, 422})


class Tokens(BaseModel):
    """A signed-in session. The access token lives `expires_in` seconds, the refresh token until it is used."""

    model_config = ConfigDict(frozen=True)

    access_token: str
    refresh_token: str
    expires_in: int


@dataclass(frozen=True)
class Credentials:
    """An address and its password."""

    email: str
    password: str


def new_verifier() -> str:
    """A secret that proves who began a sign-in by a provider (RFC 7636, 4.1)."""
    return secrets.token_urlsafe(48)


class SignIns:
    """Over the auth service at `url` (the project's), with its public key. `http` is the caller's to close."""

    def __init__(self, url: str, anon_key: str, http: httpx.AsyncClient) -> None:
        self._url = f"{url.rstrip('/')}/auth/v1"
        self._headers = {"apikey": anon_key}
        self._http = http
        self._exchanges: dict[str, asyncio.Task[Tokens]] = {}

    async def by_password(self, credentials: Credentials) -> Tokens:
        """Raises `Unauthenticated` for a wrong address or password, never telling which; `Unavailable`."""
        body = {"email": credentials.email, "password": credentials.password}
        return await self._token("password", body, "the address or the password is wrong")

    def address_of(self, provider: str, verifier: str, *, back_to: str) -> str:
        """Where a browser goes to sign in by `provider`; it comes back to `back_to` with a code."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        query = {
            "provider": provider,
            "redirect_to": back_to,
            "code_challenge": challenge,
            "code_challenge_method": "s256",
        }
        return f"{self._url}/authorize?{urlencode(query)}"

    async def by_code(self, code: str, verifier: str) -> Tokens:
        """The session that a provider's code stands for. Raises `Unauthenticated`, `Unavailable`."""
        body = {"auth_code": code, "code_verifier": verifier}
        return await self._token("pkce", body, "the provider's answer does not hold: try again")

    async def refresh(self, refresh_token: str) -> Tokens:
        """A new session for an old one. Requests that come with one token at once share one exchange.

        Raises `Unauthenticated`, `Unavailable`.
        """
        exchange = self._exchanges.get(refresh_token)
        if exchange is None:
            body = {"refresh_token": refresh_token}
            exchange = asyncio.create_task(self._token("refresh_token", body, "the session is over: sign in again"))
            self._exchanges[refresh_token] = exchange
            asyncio.get_running_loop().call_later(REUSED_S, self._exchanges.pop, refresh_token, None)
        return await asyncio.shield(exchange)

    async def end(self, access_token: str) -> None:
        """End the session that the token is of. Raises `Unavailable`; that it has ended already is no failure."""
        await self._post("/logout", {"scope": "local"}, {}, {"authorization": f"Bearer {access_token}"})

    async def _token(self, grant: str, body: dict[str, Any], refusal: str) -> Tokens:
        response = await self._post("/token", {"grant_type": grant}, body, {})
        if response.status_code in _REFUSED:
            raise Unauthenticated(refusal)
        try:
            return Tokens.model_validate_json(response.content)
        except ValidationError:
            raise Unavailable(SERVICE, "it answered with something that is no session") from None

    async def _post(
        self, path: str, query: dict[str, str], body: dict[str, Any], headers: dict[str, str]
    ) -> httpx.Response:
        try:
            response = await self._http.post(
                self._url + path, params=query, json=body, headers={**self._headers, **headers}
            )
        except httpx.HTTPError as error:
            raise Unavailable(SERVICE, f"it cannot be reached ({type(error).__name__})") from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Unavailable(SERVICE, "there were too many attempts", retry_after_s=60)
        if response.is_server_error:
            raise Unavailable(SERVICE, f"it answered {response.status_code}")
        return response
