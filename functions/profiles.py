"""A user's own profile."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database


class Profile(BaseModel):
    """Who the user is, by the authentication service, and what the user prefers."""

    model_config = ConfigDict(frozen=True)

    id: str
    email: str | None
    provider: str | None
    provider_user_id: str | None
    last_login_at: datetime | None
    preferences: dict[str, Any]
    operator: bool
    created_at: datetime
    updated_at: datetime


class Profiles:
    """Each caller's own. Raises `NotFound` for a user who has been deleted, `DatabaseUnavailable`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def me(self, caller: Caller) -> Profile:
        """The profile; it is made when there is none yet."""
        return Profile.model_validate(await self._database.call("get_profile", token=caller.token))

    async def update(self, caller: Caller, *, preferences: Mapping[str, Any]) -> Profile:
        """Replace the preferences. Raises `Refused` when they are too large."""
        arguments = {"p_preferences": dict(preferences)}
        return Profile.model_validate(await self._database.call("update_profile", arguments, token=caller.token))
