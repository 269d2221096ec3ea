"""A real Postgres for the whole run, and a database of its own for each test: a copy of a template that has been
bootstrapped and migrated once."""

import itertools
import json
import shutil
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from infra.local.bootstrap import bootstrap
from infra.local.gateway import Gateway, Keys
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.migrations import migrate

MEMORY = Path("/dev/shm")  # noqa: S108 - what is made there has a name of its own
SCRATCH_BYTES = 2 * 1024**3
TEMPLATE = "lift_template"

KEYS = Keys.generate()

_numbers = itertools.count(1)


@dataclass(frozen=True)
class LocalUser:
    """A row of `auth.users`, with an access token that the database accepts for an hour."""

    id: str
    email: str
    token: str


@dataclass(frozen=True)
class Stack:
    """A gateway over a fresh database: what a Supabase project is to the product."""

    gateway: Gateway
    postgres: EmbeddedPostgres
    database: str

    @property
    def url(self) -> str:
        return self.gateway.url

    @property
    def anon_key(self) -> str:
        return self.gateway.keys.anon_key

    @property
    def service_role_key(self) -> str:
        return self.gateway.keys.service_role_key

    @property
    def dsn(self) -> str:
        """For the owner of the database, `postgres`."""
        return self.postgres.dsn(self.database)

    async def user(self, email: str | None = None, **app_metadata: Any) -> LocalUser:
        """A new user without a password (signing up by password costs a scrypt), and a token for that user.

        `app_metadata` are claims that users cannot set themselves, such as `operator=True`.
        """
        user_id = str(uuid.uuid4())
        email = email or f"{user_id}@example.com"
        await execute(
            self.postgres.dsn(self.database, "supabase_auth_admin"),
            "insert into auth.users (id, aud, role, email, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,"
            " created_at, updated_at)"
            " values ($1, 'authenticated', 'authenticated', $2, now(), $3, '{}', now(), now())",
            uuid.UUID(user_id),
            email,
            json.dumps({"provider": "email", "providers": ["email"], **app_metadata}),
        )
        return LocalUser(user_id, email, self.token(user_id, email=email, app_metadata=app_metadata))

    def token(self, user_id: str, *, lifetime_s: int = 3600, **claims: Any) -> str:
        """An access token of the shape that the auth service gives, with `claims` added or changed."""
        now = int(time.time())
        usual = {
            "iss": f"{self.url}/auth/v1",
            "sub": user_id,
            "aud": "authenticated",
            "role": "authenticated",
            "iat": now,
            "exp": now + lifetime_s,
            "app_metadata": {},
            "user_metadata": {},
        }
        return self.gateway.keys.sign(usual | claims)


@contextmanager
def scratch_directory() -> Iterator[Path]:
    """For databases that come and go: in memory where there is room.

    Each has about 300 files, and ext4 looks long for inodes that were not freed a moment ago: 300 ms instead of 20.
    """
    roomy = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > SCRATCH_BYTES
    directory = Path(tempfile.mkdtemp(prefix="lift-sys-", dir=MEMORY if roomy else None))
    directory.chmod(0o711)  # as root, the server runs as another user, who has to get through
    try:
        yield directory
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    with scratch_directory() as directory:
        server = EmbeddedPostgres(directory / "postgres", durable=False)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
async def template_database(postgres: EmbeddedPostgres) -> str:
    await execute(_superuser(postgres), f"create database {TEMPLATE}")
    await bootstrap(postgres, TEMPLATE)
    await migrate(postgres.dsn(TEMPLATE))
    return TEMPLATE


@pytest.fixture
async def blank_database(postgres: EmbeddedPostgres) -> AsyncIterator[str]:
    """Name of a database as a new Supabase project has it: no migration applied."""
    name = f"blank_{next(_numbers)}"
    await execute(_superuser(postgres), f"create database {name}")
    await bootstrap(postgres, name)
    yield name
    await execute(_superuser(postgres), f"drop database {name} with (force)")


@pytest.fixture
async def database(postgres: EmbeddedPostgres, template_database: str) -> AsyncIterator[str]:
    """Name of a fresh, migrated database."""
    name = f"test_{next(_numbers)}"
    await execute(_superuser(postgres), f"create database {name} template {template_database} owner postgres")
    yield name
    await execute(_superuser(postgres), f"drop database {name} with (force)")


@pytest.fixture
def database_dsn(postgres: EmbeddedPostgres, database: str) -> str:
    """Connection string of a fresh, migrated database, for its owner `postgres`."""
    return postgres.dsn(database)


@pytest.fixture
async def stack(postgres: EmbeddedPostgres, database: str) -> AsyncIterator[Stack]:
    """A gateway over the database that `database` and `database_dsn` name."""
    gateway = Gateway(
        rest_dsn=postgres.dsn(database, "authenticator"),
        auth_dsn=postgres.dsn(database, "supabase_auth_admin"),
        keys=KEYS,
    )
    async with gateway.running():
        yield Stack(gateway, postgres, database)


@pytest.fixture
def gateway(stack: Stack) -> Gateway:
    return stack.gateway


async def execute(dsn: str, statement: str, *parameters: Any) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement, *parameters)
    finally:
        await connection.close()


async def fetch(dsn: str, query: str, *parameters: Any) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(dsn)
    try:
        return list(await connection.fetch(query, *parameters))
    finally:
        await connection.close()


def _superuser(postgres: EmbeddedPostgres) -> str:
    return postgres.dsn("postgres", SUPERUSER)
