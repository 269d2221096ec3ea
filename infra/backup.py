"""A copy of everything that users have made, and the way back: `python -m infra.backup save|check|restore FILE`.

The database is the one that DATABASE_URL names; PostgreSQL's own programs (`pg_dump`, `pg_restore`) do the work, and
are of the server's major version. What is copied is rows, not definitions: those are the migrations', which come first
in a new project. So a copy goes back onto the very migrations that it was made with, which it holds as well.
"""

import argparse
import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import asyncpg

from infra.settings import SettingsError, database_url

ACCOUNTS = ("auth.users", "auth.identities")
"""Of Supabase's own tables, those without which nobody could sign in again; sessions and refresh tokens are not."""
LEDGER = "lift_sys.migrations"
SCHEMAS = ("public", "private")


class BackupError(Exception):
    """Nothing was changed; the message says why, and what to do."""


def save(dsn: str, file: Path, programs: Path | None = None) -> None:
    """Write the copy: one consistent moment, compressed, readable by its owner alone. Raises `BackupError`."""
    tables = [f"--table={name}" for name in (*ACCOUNTS, LEDGER, *(f"{schema}.*" for schema in SCHEMAS))]
    file.touch(mode=0o600)
    address, password = _apart(dsn)
    _run("pg_dump", programs, "--format=custom", "--data-only", *tables, f"--file={file}", address, **password)
    check(file, programs)


def check(file: Path, programs: Path | None = None) -> list[str]:
    """The tables in a copy, which must hold the accounts and the ledger of migrations. Raises `BackupError`."""
    lines = _run("pg_restore", programs, "--list", str(file)).splitlines()
    entries = [line.split() for line in lines if " TABLE DATA " in line]
    tables = [f"{entry[entry.index('DATA') + 1]}.{entry[entry.index('DATA') + 2]}" for entry in entries]
    if missing := {*ACCOUNTS, LEDGER} - set(tables):
        raise BackupError(f"{file} is no copy of the product's database: it lacks {', '.join(sorted(missing))}")
    return tables


async def restore(dsn: str, file: Path, programs: Path | None = None) -> None:
    """Put a copy into a project that has been migrated and has no user yet, all of it or nothing.

    Raises `BackupError`. The role of `dsn` must be allowed to set `session_replication_role`, as Supabase's `postgres`
    is: no trigger may make rows that are in the copy.
    """
    check(file, programs)
    connection = await asyncpg.connect(dsn, statement_cache_size=0)
    try:
        if await connection.fetchval("select to_regclass($1)", LEDGER) is None:
            raise BackupError("the database was not migrated: run python -m infra.migrations first")
        if await connection.fetchval("select exists (select from auth.users)"):
            raise BackupError("the database has users: a copy goes into a new project, never over what is there")
        there = [name for (name,) in await connection.fetch("select name from lift_sys.migrations order by version")]
    finally:
        await connection.close()
    if (here := _migrations_in(file, programs)) != there:
        raise BackupError(
            f"the copy was made after {here[-1]}, the database has {there[-1]}: check out the commit that the copy's "
            "name holds, migrate with it, restore, and migrate again with the newest"
        )
    schemas = [f"--schema={schema}" for schema in ("auth", *SCHEMAS)]
    address, password = _apart(dsn)
    options = ("--data-only", "--single-transaction", "--exit-on-error", "--no-owner", f"--dbname={address}")
    no_triggers = "-c session_replication_role=replica"
    _run("pg_restore", programs, *options, *schemas, str(file), PGOPTIONS=no_triggers, **password)


def _migrations_in(file: Path, programs: Path | None) -> list[str]:
    only = ("--data-only", "--schema=lift_sys", "--table=migrations", "--file=-")
    text = _run("pg_restore", programs, *only, str(file))
    _, _, rows = text.partition("FROM stdin;\n")
    return [row.split("\t")[1] for row in rows.partition("\\.")[0].splitlines()]


def _apart(dsn: str) -> tuple[str, dict[str, str]]:
    """The connection string without its password, which every process here could read, and the variable that has it."""
    parts = urlsplit(dsn)
    if parts.password is None:
        return dsn, {}
    user_and_host = f"{parts.username}@{parts.netloc.rpartition('@')[2]}"
    return urlunsplit(parts._replace(netloc=user_and_host)), {"PGPASSWORD": unquote(parts.password)}


def _run(program: str, programs: Path | None, *arguments: str, **environment: str) -> str:
    path = str(programs / program) if programs else program
    try:
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own programs, with our arguments
            [path, *arguments], check=False, capture_output=True, text=True, env={**os.environ, **environment}
        )
    except FileNotFoundError:
        raise BackupError(f"{program} is not installed: PostgreSQL's client programs are needed") from None
    if done.returncode != 0:
        raise BackupError(f"{program}: {done.stderr.strip()}")
    return done.stdout


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.backup", description="Copy the database, and put it back.")
    parser.add_argument("what", choices=("save", "check", "restore"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--programs", type=Path, help="where pg_dump and pg_restore are, if not on PATH")
    options = parser.parse_args(arguments)
    try:
        if options.what == "save":
            save(database_url(), options.file, options.programs)
        elif options.what == "restore":
            asyncio.run(restore(database_url(), options.file, options.programs))
        tables = check(options.file, options.programs)
    except (BackupError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{options.file}: {options.file.stat().st_size} bytes, {len(tables)} tables\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
