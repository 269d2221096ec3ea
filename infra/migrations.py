"""Applies `migrations/NNN_name.sql`, in order, each once and each in a transaction of its own.

    python -m infra.migrations [--dry-run]          the database that DATABASE_URL names

Works as Supabase's role `postgres`, which is no superuser, through its direct or pooled connections: nothing is kept
in the session, each transaction takes the lock and reads the ledger anew.
"""

import argparse
import asyncio
import hashlib
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from infra.settings import SettingsError, database_url

DIRECTORY = Path(__file__).resolve().parents[1] / "migrations"
FILE_NAME = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")

# Any constant will do: it is the same for all runners, and for nothing else.
LOCK = int.from_bytes(hashlib.sha256(b"lift-sys migrations").digest()[:8], signed=True)
LOCK_TIMEOUT = "10s"

LEDGER = """
create schema if not exists lift_sys;
create table if not exists lift_sys.migrations (
  version integer primary key,
  name text not null,
  sha256 text not null,
  applied_at timestamptz not null default now(),
  duration_ms integer not null
);
"""


class MigrationError(Exception):
    """The database was left as it was before the migration named; the message says what to do."""


@dataclass(frozen=True)
class Migration:
    """One file. Its checksum does not depend on how the checkout ends lines."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Of the text, hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True)
class Applied:
    """One row of the ledger."""

    version: int
    name: str
    sha256: str


def read_migrations(directory: Path = DIRECTORY) -> list[Migration]:
    """All migrations of a directory. Raises `MigrationError` when the numbers are not 001, 002, ... without a gap."""
    migrations = []
    for expected, path in enumerate(sorted(directory.glob("*.sql")), 1):
        match = FILE_NAME.fullmatch(path.name)
        if match is None:
            raise MigrationError(f"{path.name}: migrations are named like 001_initial_schema.sql")
        if int(match[1]) != expected:
            raise MigrationError(f"{path.name}: its number should be {expected:03}: one file each, and no gaps")
        # read_text() translates line endings.
        migrations.append(Migration(expected, path.name, path.read_text(encoding="utf-8")))
    return migrations


def pending(migrations: Sequence[Migration], applied: Sequence[Applied]) -> list[Migration]:
    """What is still to be applied. Raises `MigrationError` when the files are not a continuation of the ledger."""
    by_checksum = {migration.sha256: migration for migration in migrations}
    for row, migration in zip(applied, migrations, strict=False):
        if row.sha256 == migration.sha256 and row.name == migration.name:
            continue
        if (same := by_checksum.get(row.sha256)) is not None:
            raise MigrationError(
                f"{same.name} was applied to this database as {row.name}: give it that name again, "
                "and new migrations the numbers after it"
            )
        if row.name == migration.name:
            raise MigrationError(
                f"{row.name} was edited after it was applied to this database: restore it, "
                "and put the change into a new migration"
            )
        raise MigrationError(_missing(row.name))
    if len(applied) > len(migrations):
        raise MigrationError(_missing(applied[len(migrations)].name))
    return list(migrations[len(applied) :])


async def migrate(dsn: str, directory: Path = DIRECTORY, *, dry_run: bool = False) -> list[str]:
    """Apply what is missing; the names of what was applied (with `dry_run`: of what would be; nothing is changed).

    Two at once are safe: each migration is applied by one of them. Raises `MigrationError`.
    """
    migrations = read_migrations(directory)
    try:
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError) as error:
        raise MigrationError(f"no connection to the database of DATABASE_URL: {error}") from None
    try:
        if dry_run:
            return [migration.name for migration in pending(migrations, await _ledger(connection))]
        names = []
        while (name := await _apply_next(connection, migrations)) is not None:
            names.append(name)
        return names
    finally:
        await connection.close()


async def _apply_next(connection: asyncpg.Connection, migrations: Sequence[Migration]) -> str | None:
    async with connection.transaction():
        await connection.execute("set local statement_timeout = 0; set local client_min_messages = warning")
        await connection.execute("select pg_advisory_xact_lock($1)", LOCK)
        # Waiting longer for a table than this would make everyone else wait behind us.
        await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
        waiting = pending(migrations, await _ledger(connection))
        if not waiting:
            return None
        await connection.execute(LEDGER)
        await _apply(connection, waiting[0])
        return waiting[0].name


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    started = time.monotonic()
    transaction = await connection.fetchval("select pg_current_xact_id()::text")
    try:
        await connection.execute(migration.sql)
    except asyncpg.PostgresError as error:
        raise MigrationError(_explain(migration, error)) from error
    if not connection.is_in_transaction() or transaction != await connection.fetchval(
        "select pg_current_xact_id()::text"
    ):
        raise MigrationError(f"{migration.name} ends its transaction: take COMMIT or ROLLBACK out of it")
    await connection.execute(
        "insert into lift_sys.migrations (version, name, sha256, duration_ms) values ($1, $2, $3, $4)",
        migration.version,
        migration.name,
        migration.sha256,
        round((time.monotonic() - started) * 1000),
    )


async def _ledger(connection: asyncpg.Connection) -> list[Applied]:
    if await connection.fetchval("select to_regclass('lift_sys.migrations')") is None:
        return []
    rows = await connection.fetch("select version, name, sha256 from lift_sys.migrations order by version")
    return [Applied(**row) for row in rows]


def _missing(name: str) -> str:
    return (
        f"{name} was applied to this database, but is not among the migrations here: "
        "update this checkout, or restore the file"
    )


def _explain(migration: Migration, error: asyncpg.PostgresError) -> str:
    position = int(getattr(error, "position", None) or 0)
    line = migration.sql.count("\n", 0, position) + 1
    where = f"{migration.name}:{line}" if position else migration.name
    detail = "".join(f"\n  {text}" for text in (error.detail, error.hint, error.context) if text)
    advice = ""
    if isinstance(error, asyncpg.LockNotAvailableError):
        advice = f"\n  A table stayed locked for {LOCK_TIMEOUT}: run it again when there is less traffic."
    return f"{where}: {error.message} ({error.sqlstate}){detail}{advice}"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.migrations", description="Apply the missing migrations.")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    options = parser.parse_args(arguments)
    try:
        names = asyncio.run(migrate(database_url(), dry_run=options.dry_run))
    except (MigrationError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    done = "would apply" if options.dry_run else "applied"
    sys.stdout.write("".join(f"{done} {name}\n" for name in names) or "nothing to apply\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
