import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import pytest

from infra.local.postgres import EmbeddedPostgres
from infra.migrations import DIRECTORY, MigrationError, main, migrate, read_migrations

SHIPPED = [migration.name for migration in read_migrations()]

TOY = {
    "001_fruit.sql": "create table fruit (name text primary key);",
    "002_apple.sql": "insert into fruit values ('apple');",
    "003_pear.sql": "insert into fruit values ('pear');",
}


@pytest.fixture
def dsn(postgres: EmbeddedPostgres, blank_database: str) -> str:
    return postgres.dsn(blank_database)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    for name, sql in TOY.items():
        (tmp_path / name).write_text(sql)
    return tmp_path


async def test_shipped_migrations_apply_to_a_blank_database_once(dsn: str):
    assert await migrate(dsn) == SHIPPED
    assert await migrate(dsn) == []


@pytest.mark.parametrize("version", range(len(SHIPPED)))
async def test_shipped_migrations_apply_from_every_earlier_version(dsn: str, tmp_path: Path, version: int):
    for name in SHIPPED[:version]:
        (tmp_path / name).write_bytes((DIRECTORY / name).read_bytes())
    assert await migrate(dsn, tmp_path) == SHIPPED[:version]
    assert await migrate(dsn) == SHIPPED[version:]


async def test_each_migration_is_applied_once_and_in_order(dsn: str, toy: Path):
    assert await migrate(dsn, toy) == list(TOY)
    assert await migrate(dsn, toy) == []
    assert await _fruit(dsn) == ["apple", "pear"]


async def test_a_dry_run_names_what_is_missing_and_changes_nothing(dsn: str, toy: Path):
    assert await migrate(dsn, toy, dry_run=True) == list(TOY)
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("select to_regnamespace('lift_sys')") is None
    await connection.close()


async def test_many_runners_at_once_apply_each_migration_once(dsn: str, toy: Path):
    results = await asyncio.gather(*(migrate(dsn, toy) for _ in range(8)))
    assert sorted(name for names in results for name in names) == list(TOY)


async def test_a_failing_migration_is_rolled_back_and_points_at_its_line(dsn: str, toy: Path):
    (toy / "002_apple.sql").write_text("insert into fruit values ('apple');\n\ninsert into vegetables values (1);\n")
    with pytest.raises(MigrationError, match=r'002_apple\.sql:3: relation "vegetables" does not exist \(42P01\)'):
        await migrate(dsn, toy)
    assert await _fruit(dsn) == []
    (toy / "002_apple.sql").write_text(TOY["002_apple.sql"])
    assert await migrate(dsn, toy) == ["002_apple.sql", "003_pear.sql"]


async def test_a_migration_may_not_end_its_transaction(dsn: str, toy: Path):
    (toy / "002_apple.sql").write_text("commit; begin;")
    with pytest.raises(MigrationError, match="take COMMIT or ROLLBACK out"):
        await migrate(dsn, toy)


def _edit(directory: Path) -> None:
    (directory / "002_apple.sql").write_text("insert into fruit values ('banana');")


def _remove_last(directory: Path) -> None:
    (directory / "003_pear.sql").unlink()


def _rename(directory: Path) -> None:
    (directory / "002_apple.sql").rename(directory / "002_fresh_apple.sql")


def _insert_before(directory: Path) -> None:
    (directory / "003_pear.sql").rename(directory / "004_pear.sql")
    (directory / "003_plum.sql").write_text("insert into fruit values ('plum');")


def _replace(directory: Path) -> None:
    (directory / "002_apple.sql").unlink()
    (directory / "002_plum.sql").write_text("insert into fruit values ('plum');")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit, "002_apple.sql was edited .* put the change into a new migration"),
        (_remove_last, "003_pear.sql was applied to this database, but is not among the migrations here"),
        (_rename, "002_fresh_apple.sql was applied to this database as 002_apple.sql: give it that name again"),
        (_insert_before, "004_pear.sql was applied to this database as 003_pear.sql: give it that name again"),
        (_replace, "002_apple.sql was applied to this database, but is not among the migrations here"),
    ],
)
async def test_history_cannot_be_changed(dsn: str, toy: Path, change: Callable[[Path], None], message: str):
    await migrate(dsn, toy)
    change(toy)
    for dry_run in (True, False):
        with pytest.raises(MigrationError, match=message):
            await migrate(dsn, toy, dry_run=dry_run)
    assert await _fruit(dsn) == ["apple", "pear"]


async def test_line_endings_do_not_count_as_an_edit(dsn: str, toy: Path):
    (toy / "001_fruit.sql").write_bytes(b"create table fruit (\nname text primary key);\n")
    await migrate(dsn, toy)
    (toy / "001_fruit.sql").write_bytes(b"create table fruit (\r\nname text primary key);\r\n")
    assert await migrate(dsn, toy) == []


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["001_a.sql", "003_b.sql"], "003_b.sql: its number should be 002"),
        (["001_a.sql", "001_b.sql"], "001_b.sql: its number should be 002"),
        (["1_a.sql"], "1_a.sql: migrations are named like"),
    ],
)
def test_numbers_have_no_gaps_and_no_doubles(tmp_path: Path, names: Sequence[str], message: str):
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(MigrationError, match=message):
        read_migrations(tmp_path)


async def test_no_database_is_said_without_the_password():
    with pytest.raises(MigrationError) as caught:
        await migrate("postgresql://postgres:hunter2@127.0.0.1:1/postgres")
    assert "hunter2" not in str(caught.value)


def test_the_command_names_the_variable_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.delenv("DATABASE_URL", raising=False)
    assert main([]) == 1
    assert "DATABASE_URL" in capsys.readouterr().err


async def _fruit(dsn: str) -> list[str]:
    connection = await asyncpg.connect(dsn)
    try:
        return [row["name"] for row in await connection.fetch("select name from fruit order by name")]
    finally:
        await connection.close()
