"""API keys: for programs. A key is shown once; the database holds its SHA-256, which is what it is found by."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.identities import identity

PREFIX = "lsk_"
SHOWN_CHARACTERS = 12
RANDOM_BYTES = 32  # enough that a plain hash is as good as a slow one: there is nothing to guess

Scope = Literal["read", "generate", "admin"]


class ApiKey(BaseModel):
    """What is known of a key; `prefix` is its beginning, to recognise it by. `last_used_at` is to the minute."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


class NewApiKey(ApiKey):
    """The only answer that ever holds the key itself."""

    key: str


class ApiKeyHolder(BaseModel):
    """Whose key it is, and what it is for."""

    model_config = ConfigDict(frozen=True)

    key_id: str
    user_id: str
    scopes: frozenset[Scope]
    expires_at: datetime | None
    email: str | None


async def lookup(database: Database, key: str) -> ApiKeyHolder | None:
    """Whose key this is; None when it is unknown, expired or revoked, or its user is gone.

    The comparison is the database's, of hashes, by index: its time tells nothing of a key. Raises
    `DatabaseUnavailable`.
    """
    # It notes the time of use, but doing that twice is as good as once.
    row = await database.call("lookup_api_key", {"p_key_hash": _hash(key)}, idempotent=True)
    return ApiKeyHolder.model_validate(row) if row else None


class ApiKeys:
    """A user's own keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, caller: Caller, *, name: str, scopes: Sequence[Scope], expires_at: datetime | None = None
    ) -> NewApiKey:
        """A new key. Raises `Refused` for bad values, `Conflict` when there are too many."""
        key = PREFIX + secrets.token_urlsafe(RANDOM_BYTES)
        arguments = {
            "p_name": name,
            "p_key_hash": _hash(key),
            "p_prefix": key[:SHOWN_CHARACTERS],
            "p_scopes": sorted(set(scopes)),
            "p_expires_at": expires_at and expires_at.isoformat(),
        }
        row = await self._database.call("create_api_key", arguments, token=caller.token)
        return NewApiKey.model_validate({**row, "key": key})

    async def list(self, caller: Caller) -> Sequence[ApiKey]:
        """Latest first, revoked ones included."""
        rows = await self._database.call("list_api_keys", token=caller.token, idempotent=True)
        return [ApiKey.model_validate(row) for row in rows]

    async def revoke(self, caller: Caller, key_id: str) -> None:
        """From now on; who has asked for the key lately may take it for valid for a minute. Raises `NotFound`."""
        await self._database.call("revoke_api_key", {"p_id": identity(key_id, "API key")}, token=caller.token)


def _hash(key: str) -> str:
    return hashlib.sha256(key.encode(errors="replace")).hexdigest()
