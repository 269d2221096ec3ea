"""The local database behaves as a Supabase project's does: what works on one works on the other."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from infra.local.bootstrap import bootstrap
from infra.local.postgres import EmbeddedPostgres


@pytest.fixture
async def owner(postgres: EmbeddedPostgres, blank_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(postgres.dsn(blank_database))
    yield connection
    await connection.close()


async def test_migrations_run_as_a_role_that_is_no_superuser(owner: asyncpg.Connection):
    roles = await owner.fetch("select rolname, rolsuper, rolbypassrls, rolcanlogin, rolinherit from pg_roles")
    attributes = {row["rolname"]: tuple(row)[1:] for row in roles}
    assert attributes["postgres"] == (False, True, True, True)
    assert attributes["anon"] == attributes["authenticated"] == (False, False, False, False)
    assert attributes["service_role"] == (False, True, False, False)
    assert attributes["authenticator"] == (False, False, True, False)


@pytest.mark.parametrize("extension", ["vector", "pg_trgm"])
async def test_migrations_create_their_extensions(owner: asyncpg.Connection, extension: str):
    assert await owner.fetchval("select count(*) from pg_extension where extname = $1", extension) == 0
    await owner.execute(f"create extension if not exists {extension} with schema extensions")
    schema = "select extnamespace::regnamespace::text from pg_extension where extname = $1"
    assert await owner.fetchval(schema, extension) == "extensions"


async def test_other_extensions_take_a_superuser(owner: asyncpg.Connection):
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("create extension file_fdw")


async def test_new_tables_and_sequences_are_granted_to_nobody(owner: asyncpg.Connection):
    await owner.execute("create table fruit (id bigint generated always as identity)")
    for role in ("anon", "authenticated", "service_role"):
        assert not await owner.fetchval("select has_table_privilege($1, 'fruit', 'select, insert, delete')", role)
        assert not await owner.fetchval("select has_sequence_privilege($1, 'fruit_id_seq', 'usage')", role)
        assert not await owner.fetchval("select has_schema_privilege($1, 'public', 'create')", role)


async def test_revoking_a_function_from_public_alone_leaves_it_to_the_api_roles(owner: asyncpg.Connection):
    await owner.execute("create function apple() returns text language sql as $$ select 'apple' $$")
    allowed = "select has_function_privilege('anon', 'apple()', 'execute')"
    await owner.execute("revoke execute on function apple() from public")
    assert await owner.fetchval(allowed)
    await owner.execute("revoke execute on function apple() from anon, authenticated, service_role")
    assert not await owner.fetchval(allowed)


async def test_tables_may_refer_to_users_and_have_triggers_on_them(owner: asyncpg.Connection):
    await owner.execute(
        """
        create table profiles (id uuid primary key references auth.users on delete cascade);
        create function greet() returns trigger language plpgsql security definer set search_path = ''
          as $$ begin insert into public.profiles values (new.id); return new; end $$;
        create trigger greet after insert on auth.users for each row execute function greet();
        insert into auth.users (id) values ('7b0f0b0e-0000-4000-8000-000000000000');
        """
    )
    assert await owner.fetchval("select count(*) from profiles") == 1


async def test_the_api_roles_cannot_read_users(owner: asyncpg.Connection):
    for role in ("anon", "authenticated", "service_role"):
        async with owner.transaction():
            await owner.execute(f"set local role {role}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with owner.transaction():
                    await owner.execute("select * from auth.users")


async def test_claims_come_from_the_transaction(owner: asyncpg.Connection):
    claims = '{"sub": "7b0f0b0e-0000-4000-8000-000000000000", "role": "authenticated", "email": "ada@example.com"}'
    who = "select auth.uid()::text, auth.role(), auth.email(), auth.jwt() ->> 'role'"
    assert tuple(await owner.fetchrow(who)) == (None, None, None, None)
    async with owner.transaction():
        await owner.execute("select set_config('request.jwt.claims', $1, true)", claims)
        uid, role, email, role_again = await owner.fetchrow(who)
    assert (uid, role, email) == ("7b0f0b0e-0000-4000-8000-000000000000", "authenticated", "ada@example.com")
    assert role_again == role
    assert tuple(await owner.fetchrow(who)) == (None, None, None, None)


async def test_bootstrapping_again_changes_nothing(
    postgres: EmbeddedPostgres, blank_database: str, owner: asyncpg.Connection
):
    await owner.execute("insert into auth.users (id, email) values (gen_random_uuid(), 'ada@example.com')")
    await bootstrap(postgres, blank_database)
    assert await owner.fetchval("select email from auth.users") == "ada@example.com"
