"""A real Postgres for the whole run, and a database of its own for each test: a copy of a template that has been
bootstrapped and migrated once."""

import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from infra.local.bootstrap import bootstrap
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.migrations import migrate

TEMPLATE = "lift_template"

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    directory = Path(tempfile.mkdtemp(prefix="lift-sys-postgres-"))
    directory.chmod(0o711)  # as root, the server runs as another user, who has to get through
    server = EmbeddedPostgres(directory / "postgres", durable=False)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(directory)
    shutil.rmtree(server.home, ignore_errors=True)


@pytest.fixture(scope="session")
async def template_database(postgres: EmbeddedPostgres) -> str:
    await administer(postgres, f"create database {TEMPLATE}")
    await bootstrap(postgres, TEMPLATE)
    await migrate(postgres.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def blank_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Name of a database as a new Supabase project has it: no migration applied."""
    name = f"blank_{next(_numbers)}"
    await administer(postgres, f"create database {name}")
    await bootstrap(postgres, name)
    yield name
    await administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
async def database(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """Name of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    await administer(postgres, f"create database {name} template {template_database} owner postgres")
    yield name
    await administer(postgres, f"drop database {name} with (force)")


@pytest.fixture
def database_dsn(postgres: EmbeddedPostgres, database: str) -> str:
    """Connection string of a fresh, migrated database, for its owner `postgres`."""
    return postgres.dsn(database)


async def administer(postgres: EmbeddedPostgres, statement: str) -> None:
    connection = await asyncpg.connect(postgres.dsn("postgres", SUPERUSER))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
