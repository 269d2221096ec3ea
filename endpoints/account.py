"""The caller's own account: who they are, their API keys, what they have used."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from endpoints.guard import Administrator, App, Editor, GuardedRoute, Reader, Scope
from endpoints.openapi import problem_responses
from functions.api_keys import ApiKey, NewApiKey
from functions.ledger import UsageReport
from functions.profiles import Profile

router = APIRouter(route_class=GuardedRoute, prefix="/api", tags=["account"])


def _written(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("write the time as RFC 3339 does, such as 2030-01-31T12:00:00Z")  # noqa: TRY004 - pydantic's way
    return value


class CreateKey(BaseModel):
    """What the key is called, and what it may be used for."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"name": "ci", "scopes": ["read", "generate"]}]}
    )

    name: str = Field(min_length=1, max_length=200)
    scopes: list[Scope] = Field(default=["read", "generate"], min_length=1, max_length=3)
    expires_at: Annotated[AwareDatetime, BeforeValidator(_written)] | None = Field(
        default=None, description="With its offset from UTC; null: never."
    )


class KeyList(BaseModel):
    """The caller's keys, without the keys themselves."""

    items: list[ApiKey]
    next_cursor: str | None = Field(default=None, description="Always null: a user's keys are one page.")


class ProfileChange(BaseModel):
    """The new preferences: they replace the old ones."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"preferences": {"theme": "dark"}}]})

    preferences: dict[str, Any]


@router.get("/me", summary="Who the caller is")
async def read_profile(app: App, caller: Reader) -> Profile:
    """The profile, as the authentication service knows it, with the caller's own preferences."""
    return await app.profiles.me(caller)


@router.patch("/me", summary="Change the preferences")
async def change_profile(app: App, caller: Editor, body: ProfileChange) -> Profile:
    """Replace the preferences. The rest of a profile is the authentication service's."""
    return await app.profiles.update(caller, preferences=body.preferences)


@router.get("/usage", summary="What the caller has used")
async def read_usage(app: App, caller: Reader, days: Annotated[int, Query(ge=1, le=366)] = 30) -> UsageReport:
    """Tokens, engine seconds and cost by day (UTC), and the budgets with what is spent and reserved."""
    await app.settlements.do_now(caller.user_id)  # the answers that the caller has had are in it
    return await app.ledger.usage(caller, days=days)


@router.get("/keys", summary="Own API keys")
async def list_keys(app: App, caller: Administrator) -> KeyList:
    """Latest first, revoked ones included. The keys themselves are not kept, and cannot be shown."""
    return KeyList(items=list(await app.api_keys.list(caller)))


@router.post("/keys", status_code=201, responses=problem_responses(409))
async def create_key(app: App, caller: Administrator, body: CreateKey, response: Response) -> NewApiKey:
    """A new key. `key` is shown this once."""
    created = await app.api_keys.create(caller, name=body.name, scopes=body.scopes, expires_at=body.expires_at)
    response.headers["location"] = f"/api/keys/{created.id}"
    return created


@router.delete("/keys/{key_id}", status_code=204, responses=problem_responses(404))
async def revoke_key(app: App, caller: Administrator, key_id: Annotated[str, Path(max_length=64)]) -> Response:
    """Revoke a key: within a minute it works nowhere."""
    await app.api_keys.revoke(caller, key_id)
    return Response(status_code=204)
