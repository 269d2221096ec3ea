"""The generated matrix: every table and function, for everybody; and that it would notice if a policy were gone."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.functions.row_level_security_matrix import (
    ACTORS,
    EVERYBODY,
    FUNCTIONS,
    SECURITY_DEFINER,
    SIGNED_IN,
    TABLES,
    become,
    found_rights,
    populate,
)

OUR_SCHEMAS = "'public'::regnamespace, 'private'::regnamespace"

# Behind these stands a second lock: the columns that would let a row be another's are granted to nobody.
TWICE_LOCKED = {"sessions_insert", "api_keys_insert"}


@pytest.fixture
async def owner(database_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection, in a transaction, with a row in every table."""
    connection = await asyncpg.connect(database_dsn)
    transaction = connection.transaction()
    await transaction.start()
    await populate(connection)
    yield connection
    await transaction.rollback()
    await connection.close()


async def test_every_table_for_everybody(owner: asyncpg.Connection):
    tables = await owner.fetch("select tablename from pg_tables where schemaname = 'public'")
    assert {table["tablename"] for table in tables} == TABLES.keys(), "a table that the matrix does not know"
    for name, table in TABLES.items():
        assert await found_rights(owner, name) == table.rights, name


async def test_the_matrix_notices_a_policy_that_is_dropped(owner: asyncpg.Connection):
    for policy in await owner.fetch("select * from pg_policies where schemaname = 'public'"):
        changed = await rights_after(
            owner, f"drop policy {policy['policyname']} on public.{policy['tablename']}", policy
        )
        assert changed != TABLES[policy["tablename"]].rights, policy["policyname"]


async def test_the_matrix_notices_a_policy_that_lets_everything_through(owner: asyncpg.Connection):
    for policy in await owner.fetch("select * from pg_policies where schemaname = 'public'"):
        if policy["policyname"] in TWICE_LOCKED:
            continue
        clauses = ("using (true)" if policy["qual"] else "") + (" with check (true)" if policy["with_check"] else "")
        statement = f"alter policy {policy['policyname']} on public.{policy['tablename']} {clauses}"
        changed = await rights_after(owner, statement, policy)
        assert changed != TABLES[policy["tablename"]].rights, policy["policyname"]


async def test_the_matrix_notices_a_table_without_row_level_security(owner: asyncpg.Connection):
    for name in TABLES:
        statement = f"alter table public.{name} disable row level security; grant all on public.{name} to anon"
        assert await rights_after(owner, statement, {"tablename": name}) != TABLES[name].rights, name


async def rights_after(
    owner: asyncpg.Connection, statement: str, policy: asyncpg.Record | dict[str, str]
) -> dict[str, str]:
    change = owner.transaction()
    await change.start()
    try:
        await owner.execute(statement)
        return await found_rights(owner, policy["tablename"])
    finally:
        await change.rollback()


async def test_nobody_writes_in_another_name(owner: asyncpg.Connection):
    for name, columns in {
        "sessions": "(user_id, prompt) select id, 'forged'",
        "api_keys": "(user_id, name, key_hash, prefix, scopes) select id, 'n', sha256('c'), 'lsk_', '{read}'",
        "idempotency_keys": "(user_id, key, fingerprint, locked_until, expires_at) select id, 'z', 'f', now(), now()",
        "comments": "(session_id, author_id, pointer, version, body) select s.id, p.id, '', 1, 'forged'",
    }.items():
        people = "public.profiles as p, public.sessions as s" if name == "comments" else "public.profiles"
        for actor in ("anon", *SIGNED_IN):
            attempt = owner.transaction()
            await attempt.start()
            await become(owner, actor)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await owner.execute(f"insert into public.{name} {columns} from {people}")
            await attempt.rollback()


async def test_every_function_for_every_role(owner: asyncpg.Connection):
    rows = await owner.fetch(
        "select p.proname as name, array(select r.rolname from pg_roles as r where r.rolname = any ($1)"
        " and has_function_privilege(r.oid, p.oid, 'execute') order by 1) as roles"
        " from pg_proc as p where p.pronamespace = 'public'::regnamespace",
        EVERYBODY,
    )
    assert {row["name"]: tuple(row["roles"]) for row in rows} == FUNCTIONS


async def test_strangers_execute_nothing_else(owner: asyncpg.Connection):
    assert await owner.fetch(
        "select p.oid::regprocedure::text from pg_proc as p where p.pronamespace = 'private'::regnamespace"
        " and has_function_privilege('anon', p.oid, 'execute')"
    ) == []  # fmt: skip


async def test_functions_with_their_owners_rights_are_these(owner: asyncpg.Connection):
    rows = await owner.fetch(f"select proname from pg_proc where prosecdef and pronamespace in ({OUR_SCHEMAS})")  # noqa: S608
    assert {row["proname"] for row in rows} == SECURITY_DEFINER


async def test_no_function_has_a_search_path_that_its_caller_chooses(owner: asyncpg.Connection):
    assert await owner.fetch(
        f"select oid::regprocedure::text from pg_proc where pronamespace in ({OUR_SCHEMAS})"  # noqa: S608
        " and not coalesce('search_path=\"\"' = any (proconfig), false)"
    ) == []  # fmt: skip


async def test_every_table_is_under_row_level_security(owner: asyncpg.Connection):
    assert await owner.fetch(
        f"select oid::regclass::text from pg_class where relkind in ('r', 'p') and relnamespace in ({OUR_SCHEMAS})"  # noqa: S608
        " and not relrowsecurity"
    ) == []  # fmt: skip


async def test_policies_are_for_signed_in_users_and_cost_once_a_statement(owner: asyncpg.Connection):
    for policy in await owner.fetch("select * from pg_policies where schemaname = 'public'"):
        assert policy["roles"] == ["authenticated"], policy["policyname"]
        for condition in filter(None, (policy["qual"], policy["with_check"])):
            for function in ("auth.uid()", "auth.jwt()", "private.is_operator()"):
                once = condition.count(f"SELECT {function}") + condition.count(f"SELECT {function.split('.')[1]}")
                assert condition.count(function.split(".")[1]) == once, policy["policyname"]


async def test_every_foreign_key_has_an_index(owner: asyncpg.Connection):
    """Deleting a user, a session or a key would read whole tables otherwise."""
    assert await owner.fetch(
        """
        select c.conname from pg_constraint as c
        where c.contype = 'f' and c.connamespace = 'public'::regnamespace and not exists (
          select from pg_index as i where i.indrelid = c.conrelid and i.indkey[0] = c.conkey[1]
        )
        """
    ) == []  # fmt: skip


def test_the_matrix_covers_everybody():
    assert ACTORS == ("anon", "alice", "vera", "edith", "bob", "olga", "service")
