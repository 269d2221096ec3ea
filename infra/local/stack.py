"""The database behind a laptop's server: the embedded one, or a Supabase stack that the environment names."""

import asyncio
import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import structlog
from supabase import acreate_client
from supabase_auth.errors import AuthApiError, AuthError

from functions.api_keys import ApiKeys, Scope, lookup
from functions.callers import Caller
from functions.database import Database
from infra.local.bootstrap import bootstrap
from infra.local.gateway import Keys
from infra.local.postgres import EmbeddedPostgres
from infra.local.tied_process import tied
from infra.migrations import migrate
from infra.settings import Secrets, SettingsError, database_url, load_secrets

POSTGRES_PORT = 54322  # the ports that `supabase start` uses
GATEWAY_PORT = 54321
GATEWAY_START_S = 15.0
DEVELOPER = "developer@localhost.test"
SCOPES: tuple[Scope, ...] = ("read", "generate", "admin")

Say = Callable[[str], None]

logger = structlog.get_logger()


class LocalStackError(Exception):
    """The stack cannot be used; the message says why and what to do."""


@dataclass(frozen=True)
class Developer:
    """The user that a newcomer works as, with an API key of theirs."""

    email: str
    password: str
    api_key: str


@contextlib.asynccontextmanager
async def embedded_stack(directory: Path, say: Say) -> AsyncIterator[Secrets]:
    """Postgres, migrated, behind the local gateway; both are started again when they die, and end with the block.

    Call it from the main thread. Raises `PostgresError`, `MigrationError`, `LocalStackError`.
    """
    say("Starting Postgres ...")
    postgres = EmbeddedPostgres(directory / "postgres", POSTGRES_PORT)
    await asyncio.to_thread(directory.mkdir, exist_ok=True)
    postgres.start()
    try:
        await bootstrap(postgres)
        applied = await migrate(postgres.dsn())
        say(f"The database is ready ({len(applied)} migrations applied now).")
        keys = Keys.kept_in(directory / "supabase-keys.json")
        command = ["-m", "infra.local.gateway", "--directory", str(directory), "--port", str(GATEWAY_PORT)]
        gateway = _Process(tied([sys.executable, *command, "--postgres-port", str(postgres.port)]))
        keepers = [asyncio.create_task(postgres.keep_running()), asyncio.create_task(gateway.keep_running())]
        try:
            url = f"http://127.0.0.1:{GATEWAY_PORT}"
            await _answers(f"{url}/health", gateway)
            found = Secrets.model_validate(
                {
                    "supabase_url": url,
                    "supabase_anon_key": keys.anon_key,
                    "supabase_service_role_key": keys.service_role_key,
                    "jwt_signing_key": json.dumps(keys.signing_key),
                }
            )
            _write_environment(directory, found, postgres.dsn())
            yield found
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.to_thread(gateway.stop)
    finally:
        await asyncio.to_thread(postgres.stop)


@contextlib.asynccontextmanager
async def named_stack(say: Say) -> AsyncIterator[Secrets]:
    """The Supabase stack that SUPABASE_URL and its keys name; migrated when DATABASE_URL is set too.

    Raises `SettingsError`, `MigrationError`.
    """
    found = load_secrets()
    say(f"Using the Supabase stack at {found.supabase_url}")
    try:
        applied = await migrate(database_url())
        say(f"The database is ready ({len(applied)} migrations applied now).")
    except SettingsError:
        say("DATABASE_URL is not set: no migration was applied (make migrate does it).")
    yield found


async def developer(found: Secrets, directory: Path) -> Developer:
    """The development user and an API key that works: what `.local` has, or new ones. Raises `LocalStackError`."""
    if found.supabase_service_role_key is None:
        raise LocalStackError("SUPABASE_SERVICE_ROLE_KEY is not set: it is needed to make the development user")
    password_file, key_file = directory / "developer-password", directory / "api-key"
    url, anon_key = str(found.supabase_url).rstrip("/"), found.supabase_anon_key.get_secret_value()
    database = Database(url, anon_key)
    try:
        password = _kept(password_file)
        key = _read(key_file)
        if key is None or await lookup(database, key) is None:
            caller = await _signed_in(url, anon_key, found.supabase_service_role_key.get_secret_value(), password)
            key = (await ApiKeys(database).create(caller, name="development", scopes=SCOPES)).key
            write_private(key_file, key + "\n")
    except (AuthError, httpx.HTTPError) as error:
        raise LocalStackError(f"the development user could not be made at {url}: {error}") from error
    finally:
        await database.close()
    return Developer(DEVELOPER, password, key)


async def _signed_in(url: str, anon_key: str, service_key: str, password: str) -> Caller:
    """The development user, made if need be; an operator, so that the whole product can be seen."""
    attributes = {"email": DEVELOPER, "password": password, "email_confirm": True, "app_metadata": {"operator": True}}
    admin = await acreate_client(url, service_key)
    try:
        await admin.auth.admin.create_user(attributes)  # type: ignore[arg-type] # a TypedDict there
    except AuthApiError as error:
        if error.code not in {"email_exists", "user_already_exists"}:
            raise
        users = await admin.auth.admin.list_users()
        user = next(user for user in users if user.email == DEVELOPER)
        await admin.auth.admin.update_user_by_id(user.id, {"password": password})
    client = await acreate_client(url, anon_key)
    signed_in = await client.auth.sign_in_with_password({"email": DEVELOPER, "password": password})
    if signed_in.session is None or signed_in.user is None:
        raise LocalStackError(f"{DEVELOPER} could not sign in at {url}")
    token = signed_in.session.access_token
    return Caller(user_id=signed_in.user.id, token=token, key_id=None, scopes=frozenset(SCOPES), operator=True)


class _Process:
    """A child that is started again whenever it has ended, and ends with this process."""

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._process = subprocess.Popen(command)  # noqa: S603 - our own module

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    async def keep_running(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self.ended:
                logger.warning("the gateway has died; starting it again", returncode=self._process.returncode)
                self._process = subprocess.Popen(self._command)  # noqa: S603, ASYNC220 - as above; it returns at once

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


async def _answers(url: str, process: _Process) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=1.0) as client:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GATEWAY_START_S):
                while not process.ended:
                    with contextlib.suppress(httpx.HTTPError):
                        if (await client.get(url)).is_success:
                            return
                    await asyncio.sleep(0.05)
    raise LocalStackError(f"the local Supabase gateway does not answer at {url}; its own message is above")


def _write_environment(directory: Path, found: Secrets, dsn: str) -> None:
    values: Mapping[str, str] = {
        "SUPABASE_URL": str(found.supabase_url).rstrip("/"),
        "SUPABASE_ANON_KEY": found.supabase_anon_key.get_secret_value(),
        "SUPABASE_SERVICE_ROLE_KEY": (found.supabase_service_role_key or found.supabase_anon_key).get_secret_value(),
        "DATABASE_URL": dsn,
    }
    write_private(directory / "env", "".join(f"{name}={value}\n" for name, value in values.items()))


def write_private(file: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    work = file.with_name(file.name + ".work")
    work.touch(mode=0o600)
    work.write_text(text)
    work.rename(file)


def _read(file: Path) -> str | None:
    return file.read_text().strip() if file.exists() else None


def _kept(file: Path) -> str:
    """The secret in `file`, a new one the first time."""
    if (kept := _read(file)) is None:
        kept = secrets.token_urlsafe(18)
        write_private(file, kept + "\n")
    return kept
