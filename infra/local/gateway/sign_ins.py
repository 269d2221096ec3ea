"""Signed-in sessions: access tokens, and refresh tokens that are exchanged at each use (RFC 9700, section 4.14.2)."""

import secrets
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

from infra.local.gateway.accounts import Accounts, User
from infra.local.gateway.connections import Connection, Pool
from infra.local.gateway.failures import auth_failure
from infra.local.gateway.keys import Keys

ACCESS_TOKEN_S = 3600

Scope = Literal["global", "local", "others"]

START = """
with session as (
  insert into auth.sessions (id, user_id, created_at, updated_at, user_agent)
  values ($1, $2, now(), now(), $3)
)
update auth.users set last_sign_in_at = now(), updated_at = now() where id = $2
"""

# The session is locked first, so that of two uses of one token the second sees what the first has done.
FIND = """
select s.id as session_id, s.user_id
from auth.refresh_tokens as t
join auth.sessions as s on s.id = t.session_id
where t.token = $1
for update of s
"""

# A client with two tabs, or one that lost the answer, may use a refresh token again for ten seconds.
REUSE = """
select active.token
from auth.refresh_tokens as used
join auth.refresh_tokens as active on active.session_id = used.session_id and not active.revoked
where used.token = $1 and (active.parent = used.token or used.updated_at > now() - interval '10 seconds')
order by active.id desc
limit 1
"""

ISSUE = """
insert into auth.refresh_tokens (token, user_id, revoked, parent, session_id, created_at, updated_at)
values ($1, $2, false, $3, $4, now(), now())
"""


END: dict[Scope, str] = {
    "global": "delete from auth.sessions where user_id = $1",
    "local": "delete from auth.sessions where user_id = $1 and id = $2",
    "others": "delete from auth.sessions where user_id = $1 and id <> $2",
}


class SignIns:
    """`issuer` goes into the tokens: `<address of the gateway>/auth/v1`."""

    def __init__(self, pool: Pool, accounts: Accounts, keys: Keys, issuer: str) -> None:
        self._pool = pool
        self._accounts = accounts
        self._keys = keys
        self._issuer = issuer

    async def start(self, user: User, user_agent: str | None) -> dict[str, Any]:
        """A new session of `user`, as `/token` answers it."""
        session_id, user_id = uuid.uuid4(), uuid.UUID(user["id"])
        token = _new_token()
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(START, session_id, user_id, user_agent)
            await connection.execute(ISSUE, token, user["id"], None, session_id)
        return self._answer(await self._accounts.get(user_id), session_id, token)

    async def refresh(self, token: str) -> dict[str, Any]:
        """Exchange a refresh token for a new one. A used one ends the whole session: it may have been stolen."""
        async with self._pool.acquire() as connection, connection.transaction():
            session = await connection.fetchrow(FIND, token)
            if session is None:
                raise auth_failure(400, "refresh_token_not_found", "Invalid Refresh Token: Refresh Token Not Found")
            next_token = await _exchange(connection, token, dict(session))
        if next_token is None:
            raise auth_failure(400, "refresh_token_already_used", "Invalid Refresh Token: Already Used")
        return self._answer(await self._accounts.get(session["user_id"]), session["session_id"], next_token)

    async def user_of(self, claims: Mapping[str, Any]) -> User:
        """The user of an access token, as long as its session lasts."""
        user = await self._accounts.get(_id(claims, "sub"))
        known = "select exists (select from auth.sessions where id = $1)"
        if "session_id" in claims and not await self._pool.fetchval(known, _id(claims, "session_id")):
            raise auth_failure(403, "session_not_found", "Session from session_id claim in JWT does not exist")
        return user

    async def end(self, claims: Mapping[str, Any], scope: Scope) -> None:
        """Sign out everywhere, here, or everywhere else."""
        parameters = [_id(claims, "sub")]
        if scope != "global":
            parameters.append(_id(claims, "session_id"))
        await self._pool.execute(END[scope], *parameters)

    def access_token(self, user: User, session_id: uuid.UUID | None = None, *, lifetime_s: int = ACCESS_TOKEN_S) -> str:
        """A token with the claims that Supabase's have."""
        now = int(time.time())
        return self._keys.sign(
            {
                "iss": self._issuer,
                "sub": user["id"],
                "aud": "authenticated",
                "exp": now + lifetime_s,
                "iat": now,
                "email": user["email"],
                "phone": user["phone"],
                "app_metadata": user["app_metadata"],
                "user_metadata": user["user_metadata"],
                "role": user["role"],
                "aal": "aal1",
                "amr": [{"method": "password", "timestamp": now}],
                "session_id": str(session_id or uuid.uuid4()),
                "is_anonymous": False,
            }
        )

    def _answer(self, user: User, session_id: uuid.UUID, refresh_token: str) -> dict[str, Any]:
        return {
            "access_token": self.access_token(user, session_id),
            "token_type": "bearer",
            "expires_in": ACCESS_TOKEN_S,
            "expires_at": int(time.time()) + ACCESS_TOKEN_S,
            "refresh_token": refresh_token,
            "user": user,
        }


async def _exchange(connection: Connection, token: str, session: Mapping[str, Any]) -> str | None:
    """The next token of the session, or None when `token` may not be used any more and the session was ended."""
    used = "update auth.refresh_tokens set revoked = true, updated_at = now() where token = $1 and not revoked"
    if await connection.execute(used, token) == "UPDATE 1":
        next_token = _new_token()
        await connection.execute(ISSUE, next_token, str(session["user_id"]), token, session["session_id"])
        await connection.execute(
            "update auth.sessions set refreshed_at = now() at time zone 'utc', updated_at = now() where id = $1",
            session["session_id"],
        )
        return next_token
    active: str | None = await connection.fetchval(REUSE, token)
    if active is None:
        await connection.execute(
            "update auth.refresh_tokens set revoked = true, updated_at = now() where session_id = $1 and not revoked",
            session["session_id"],
        )
    return active


def _id(claims: Mapping[str, Any], name: str) -> uuid.UUID:
    try:
        return uuid.UUID(claims[name])
    except (KeyError, ValueError, TypeError, AttributeError):
        raise auth_failure(403, "bad_jwt", f"invalid claim: missing {name} claim") from None


def _new_token() -> str:
    return secrets.token_urlsafe(24)
