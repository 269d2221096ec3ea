"""API keys, and what the database tells a stranger who has one."""

from datetime import UTC, datetime, timedelta

import pytest

from functions.api_keys import ApiKeys, lookup
from functions.callers import Caller
from functions.database import Database
from functions.failures import DatabaseUnavailable, NotFound, Refused
from functions.identities import identity
from tests.answering_database import answering
from tests.data_fixtures import People
from tests.database_fixtures import Stack, execute


@pytest.fixture
def keys(data: Database) -> ApiKeys:
    return ApiKeys(data)


async def test_a_key_leads_to_its_user(data: Database, keys: ApiKeys, alice: Caller):
    made = await keys.create(alice, name="ci", scopes=["generate", "read"])
    assert made.key.startswith(made.prefix)
    assert made.key.startswith("lsk_")
    holder = await lookup(data, made.key)
    assert holder is not None
    assert (holder.key_id, holder.user_id, holder.email) == (made.id, alice.user_id, alice.email)
    assert holder.scopes == {"read", "generate"}
    (listed,) = await keys.list(alice)
    assert listed.last_used_at is not None
    assert listed.model_dump(exclude={"last_used_at"}) == made.model_dump(exclude={"last_used_at", "key"})


async def test_the_time_of_use_is_kept_to_the_minute(data: Database, keys: ApiKeys, alice: Caller):
    made = await keys.create(alice, name="ci", scopes=["read"])
    await lookup(data, made.key)
    (first,) = await keys.list(alice)
    await lookup(data, made.key)
    assert await keys.list(alice) == [first]


@pytest.mark.parametrize("key", ["", "lsk_", "lsk_" + "a" * 43, "é\ud800", "x" * 10_000])
async def test_an_unknown_key_leads_nowhere(data: Database, key: str):
    assert await lookup(data, key) is None


async def test_keys_are_asked_for_again_when_the_connection_breaks_and_made_once(alice: Caller):
    async with answering(lambda n: None if n % 2 else (200, b"[]")) as (database, requests):
        assert await lookup(database, "lsk_") is None
        assert await ApiKeys(database).list(alice) == []
        assert len(requests) == 4
        with pytest.raises(DatabaseUnavailable):
            await ApiKeys(database).create(alice, name="ci", scopes=["read"])
        assert len(requests) == 5


@pytest.mark.parametrize("text", ["no id", "", "0", "é"])
def test_nothing_has_an_id_that_is_none(text: str):
    with pytest.raises(NotFound) as failed:
        identity(text, "API key")
    assert failed.value.what == "API key"
    assert identity("{A0000000-0000-4000-8000-000000000001}", "API key") == "a0000000-0000-4000-8000-000000000001"


async def test_a_revoked_key_leads_nowhere_and_stays_so(data: Database, keys: ApiKeys, alice: Caller, bob: Caller):
    made = await keys.create(alice, name="ci", scopes=["read"])
    for stranger_or_bad_id in ((bob, made.id), (alice, "no id")):
        with pytest.raises(NotFound):
            await keys.revoke(*stranger_or_bad_id)
    await keys.revoke(alice, made.id)
    assert await lookup(data, made.key) is None
    with pytest.raises(NotFound):
        await keys.revoke(alice, made.id)
    (listed,) = await keys.list(alice)
    assert listed.revoked_at is not None
    assert await keys.list(bob) == []


async def test_an_expired_key_leads_nowhere(data: Database, keys: ApiKeys, alice: Caller):
    soon = datetime.now(UTC) + timedelta(minutes=1)
    assert await lookup(data, (await keys.create(alice, name="new", scopes=["read"], expires_at=soon)).key)
    past = datetime.now(UTC) - timedelta(seconds=1)
    assert await lookup(data, (await keys.create(alice, name="old", scopes=["read"], expires_at=past)).key) is None


@pytest.mark.parametrize("gone", ["banned_until = now() + interval '1 day'", "deleted_at = now()"])
async def test_the_key_of_a_user_who_may_not_sign_in_leads_nowhere(
    data: Database, keys: ApiKeys, people: People, stack: Stack, gone: str
):
    carol = await people.new()
    made = await keys.create(carol, name="ci", scopes=["read"])
    statement = f"update auth.users set {gone} where id = '{carol.user_id}'"  # noqa: S608 - a test's own words
    await execute(stack.postgres.dsn(stack.database, "supabase_auth_admin"), statement)
    assert await lookup(data, made.key) is None


@pytest.mark.parametrize("bad", [{"name": ""}, {"scopes": []}, {"scopes": ["root"]}, {"name": "x" * 201}])
async def test_a_key_with_bad_values_is_refused(keys: ApiKeys, alice: Caller, bad: dict[str, object]):
    values = {"name": "ci", "scopes": ["read"]} | bad
    with pytest.raises(Refused):
        await keys.create(alice, **values)  # type: ignore[arg-type] - that is the point
