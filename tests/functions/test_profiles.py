"""Profiles follow the authentication service; preferences are their users'."""

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.failures import NotFound, Refused
from functions.profiles import Profiles
from tests.data_fixtures import People
from tests.database_fixtures import Stack, execute


@pytest.fixture
def profiles(data: Database) -> Profiles:
    return Profiles(data)


async def test_a_new_user_has_a_profile(profiles: Profiles, alice: Caller):
    me = await profiles.me(alice)
    assert (me.id, me.email, me.provider, me.preferences, me.operator) == (
        alice.user_id, alice.email, "email", {}, False
    )  # fmt: skip


async def test_a_profile_that_is_missing_is_made(profiles: Profiles, alice: Caller, stack: Stack):
    await execute(stack.dsn, "delete from public.profiles")
    assert (await profiles.me(alice)).email == alice.email
    await execute(stack.dsn, "delete from public.profiles")
    assert (await profiles.update(alice, preferences={"theme": "dark"})).preferences == {"theme": "dark"}


async def test_signing_in_and_a_new_address_show(profiles: Profiles, alice: Caller, stack: Stack):
    await execute(
        stack.postgres.dsn(stack.database, "supabase_auth_admin"),
        "update auth.users set last_sign_in_at = now(), email = 'new@example.com'",
    )
    me = await profiles.me(alice)
    assert me.email == "new@example.com"
    assert me.last_login_at is not None


async def test_preferences_are_replaced_for_their_user_alone(profiles: Profiles, alice: Caller, bob: Caller):
    await profiles.update(alice, preferences={"theme": "dark", "editor": {"tab": 4}})
    assert (await profiles.update(alice, preferences={"theme": "light"})).preferences == {"theme": "light"}
    assert (await profiles.me(bob)).preferences == {}
    with pytest.raises(Refused):
        await profiles.update(alice, preferences={"much": "x" * 70_000})


async def test_an_operator_is_one_by_the_token(profiles: Profiles, people: People):
    assert (await profiles.me(await people.new(operator=True))).operator


async def test_a_deleted_user_has_no_profile(profiles: Profiles, alice: Caller, stack: Stack):
    await execute(stack.postgres.dsn(stack.database, "supabase_auth_admin"), "delete from auth.users")
    with pytest.raises(NotFound):
        await profiles.me(alice)
