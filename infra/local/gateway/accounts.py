"""Users: the tables `auth.users` and `auth.identities`, for sign-up by email and for administration."""

import json
import re
import uuid
from typing import Any

import asyncpg
from pydantic import BaseModel, ConfigDict, Field

from infra.local.gateway import passwords
from infra.local.gateway.connections import Connection, Pool
from infra.local.gateway.failures import GatewayFailure, auth_failure

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
PASSWORD_CHARACTERS = 6, 72
NOBODY = uuid.UUID(int=0)

# A user as the auth service shows it, identities included.
USER = """
select json_build_object(
  'id', u.id, 'aud', u.aud, 'role', u.role, 'email', coalesce(u.email, ''), 'phone', coalesce(u.phone, ''),
  'email_confirmed_at', u.email_confirmed_at, 'confirmed_at', u.email_confirmed_at,
  'last_sign_in_at', u.last_sign_in_at,
  'app_metadata', coalesce(u.raw_app_meta_data, '{}'), 'user_metadata', coalesce(u.raw_user_meta_data, '{}'),
  'identities', (
    select coalesce(json_agg(json_build_object(
      'identity_id', i.id, 'id', i.provider_id, 'user_id', i.user_id, 'identity_data', i.identity_data,
      'provider', i.provider, 'last_sign_in_at', i.last_sign_in_at, 'created_at', i.created_at,
      'updated_at', i.updated_at, 'email', i.email
    ) order by i.created_at), '[]')
    from auth.identities as i where i.user_id = u.id
  ),
  'created_at', u.created_at, 'updated_at', u.updated_at, 'is_anonymous', u.is_anonymous
)::text
from auth.users as u
"""

CREATE = """
insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at,
  raw_app_meta_data, raw_user_meta_data, created_at, updated_at
) values ($1, $2, 'authenticated', 'authenticated', $3, $4, now(), $5, $6, now(), now())
"""

CREATE_IDENTITY = """
insert into auth.identities (provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
values ($1, $2, $3, 'email', now(), now(), now())
"""

# Metadata are merged key by key; a key set to null is removed.
UPDATE = """
update auth.users set
  email = coalesce($2, email),
  encrypted_password = coalesce($3, encrypted_password),
  raw_user_meta_data = (
    select coalesce(jsonb_object_agg(key, value), '{}')
    from jsonb_each(coalesce(raw_user_meta_data, '{}') || $4::jsonb) where value <> 'null'
  ),
  raw_app_meta_data = (
    select coalesce(jsonb_object_agg(key, value), '{}')
    from jsonb_each(coalesce(raw_app_meta_data, '{}') || $5::jsonb) where value <> 'null'
  ),
  updated_at = now()
where id = $1
"""

UPDATE_IDENTITY = """
update auth.identities
set identity_data = identity_data || jsonb_build_object('email', $2::text), updated_at = now()
where user_id = $1 and provider = 'email'
"""

User = dict[str, Any]


class UserAttributes(BaseModel):
    """What may be set on a user. What the local gateway does not have (phone, bans) is refused, not passed over."""

    model_config = ConfigDict(extra="forbid")

    id: uuid.UUID | None = None
    email: str | None = None
    password: str | None = None
    user_metadata: dict[str, Any] = Field(default_factory=dict)
    app_metadata: dict[str, Any] = Field(default_factory=dict)
    email_confirm: bool = True  # every address counts as confirmed here: no mail is sent


class Accounts:
    """`pool` is of connections as `supabase_auth_admin`. All methods raise `GatewayFailure` in the service's words."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def create(self, wanted: UserAttributes) -> User:
        """A new user with an identity by email; triggers on `auth.users` run in the same transaction."""
        if not wanted.email:
            raise auth_failure(400, "validation_failed", "An email address is needed to sign up")
        email = _checked_email(wanted.email)
        password = await passwords.hashed(_checked_password(wanted.password)) if wanted.password else None
        user_id = wanted.id or uuid.uuid4()
        identity = {"sub": str(user_id), "email": email, "email_verified": True, "phone_verified": False}
        app_metadata = {"provider": "email", "providers": ["email"], **wanted.app_metadata}
        user_metadata = {**wanted.user_metadata, **identity}
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    CREATE, NOBODY, user_id, email, password, json.dumps(app_metadata), json.dumps(user_metadata)
                )
                await connection.execute(CREATE_IDENTITY, str(user_id), user_id, json.dumps(identity))
                return await _user(connection, user_id)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from None

    async def with_password(self, email: str, password: str) -> User:
        """The user who knows this password; who does not is told the same, whether the address is known or not."""
        row = await self._pool.fetchrow(
            "select id, encrypted_password from auth.users where email = $1 and deleted_at is null", _normal(email)
        )
        if not await passwords.matches(password, row["encrypted_password"] if row else None) or row is None:
            raise auth_failure(400, "invalid_credentials", "Invalid login credentials")
        return await self.get(row["id"])

    async def get(self, user_id: uuid.UUID) -> User:
        """One user."""
        async with self._pool.acquire() as connection:
            return await _user(connection, user_id)

    async def list(self, page: int, per_page: int) -> tuple[list[User], int]:
        """One page of users (the first is 1), newest first, and how many there are in all."""
        order = "order by u.created_at desc, u.id limit $1 offset $2"
        rows = await self._pool.fetch(f"{USER} {order}", per_page, (page - 1) * per_page)
        total: int = await self._pool.fetchval("select count(*) from auth.users")
        return [json.loads(row[0]) for row in rows], total

    async def update(self, user_id: uuid.UUID, wanted: UserAttributes) -> User:
        """Change what `wanted` names, and nothing else."""
        email = _checked_email(wanted.email) if wanted.email else None
        password = await passwords.hashed(_checked_password(wanted.password)) if wanted.password else None
        user_metadata = {**wanted.user_metadata, **({"email": email} if email else {})}
        try:
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    UPDATE, user_id, email, password, json.dumps(user_metadata), json.dumps(wanted.app_metadata)
                )
                if email:
                    await connection.execute(UPDATE_IDENTITY, user_id, email)
                return await _user(connection, user_id)
        except asyncpg.UniqueViolationError as error:
            raise _taken(error) from None

    async def delete(self, user_id: uuid.UUID) -> None:
        """For good, with everything that refers to the user by `on delete cascade`."""
        if await self._pool.execute("delete from auth.users where id = $1", user_id) == "DELETE 0":
            raise _not_found()


async def _user(connection: Connection, user_id: uuid.UUID) -> User:
    text = await connection.fetchval(f"{USER} where u.id = $1", user_id)
    if text is None:
        raise _not_found()
    user: User = json.loads(text)
    return user


def _normal(email: str) -> str:
    return email.strip().lower()


def _checked_email(email: str) -> str:
    normal = _normal(email)
    if not EMAIL.fullmatch(normal):
        raise auth_failure(400, "validation_failed", "Unable to validate email address: invalid format")
    return normal


def _checked_password(password: str) -> str:
    least, most = PASSWORD_CHARACTERS
    if len(password) < least:
        message = f"Password should be at least {least} characters."
        raise auth_failure(422, "weak_password", message, weak_password={"reasons": ["length"]})
    if len(password.encode()) > most:
        raise auth_failure(400, "validation_failed", f"Password cannot be longer than {most} bytes")
    return password


def _not_found() -> GatewayFailure:
    return auth_failure(404, "user_not_found", "User not found")


def _taken(error: asyncpg.UniqueViolationError) -> GatewayFailure:
    if error.table_name in {"users", "identities"} and error.schema_name == "auth":
        return auth_failure(422, "user_already_exists", "User already registered")
    return auth_failure(500, "unexpected_failure", f"Database error saving user: {error}")
