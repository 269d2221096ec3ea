"""The product as `make serve` starts it, on free ports and over a database of its own, for as long as a block lasts.

It shares nothing with a server that already runs here: neither its data nor its addresses. Between the server and the
gateway stands a relay that can be told to fail (`proofs.relay`).
"""

import asyncio
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from infra.local.bootstrap import bootstrap
from infra.local.gateway import Gateway, Keys
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.local.tied_process import tied
from proofs.relay import Relay

ROOT = Path(__file__).resolve().parents[1]
READY_S = 600
UNLIMITED = {"reads": 1_000_000, "generations": 1_000_000, "expensive": 1_000_000, "concurrent": 32}
_numbers = itertools.count(1)


def harmless() -> dict[str, Any]:
    """A normal request, another one each time: the same again would be answered without the engine."""
    return {"prompt": f"Say yes, {next(_numbers)} times.", "regex": "(yes|no)", "max_tokens": 4, "temperature": 0}


@dataclass(frozen=True)
class Product:
    """A running server. `key` is its developer's, who is an operator; `state` is its `.local`."""

    url: str
    key: str
    state: Path
    pid: int
    postgres: EmbeddedPostgres
    gateway: Gateway
    relay: Relay

    @property
    def headers(self) -> dict[str, str]:
        """Of a request with the developer's key."""
        return {"authorization": f"Bearer {self.key}"}

    def client(self, **options: object) -> httpx.AsyncClient:
        """Of the developer, without a proxy between."""
        return httpx.AsyncClient(base_url=self.url, headers=self.headers, trust_env=False, timeout=60, **options)  # type: ignore[arg-type] # handed on as they are

    async def normal_s(self) -> float:
        """Seconds of a normal request, which is served. Raises `AssertionError` where it is not."""
        async with self.client() as client:
            began = time.monotonic()
            answer = await client.post("/api/generate", json=harmless())
            assert answer.status_code == 200, answer.text
            assert answer.json()["text"] in ("yes", "no"), answer.text
            return time.monotonic() - began

    def token(self, user_id: str, **claims: object) -> str:
        """An access token as the auth service gives it, with `claims` added or changed."""
        now = int(time.time())
        usual = {"iss": f"{self.relay.url}/auth/v1", "sub": user_id, "aud": "authenticated", "role": "authenticated"}
        return self.gateway.keys.sign({**usual, "iat": now, "exp": now + 3600, **claims})

    async def user(self) -> str:
        """A new user without limits that a proof would meet; its id."""
        user_id = str(uuid.uuid4())
        connection = await asyncpg.connect(self.postgres.dsn(user="supabase_auth_admin"))
        try:
            await connection.execute(
                "insert into auth.users (id, aud, role, email, email_confirmed_at, raw_app_meta_data,"
                " raw_user_meta_data, created_at, updated_at)"
                " values ($1, 'authenticated', 'authenticated', $2, now(), '{}', '{}', now(), now())",
                uuid.UUID(user_id),
                f"{user_id}@example.com",
            )
        finally:
            await connection.close()
        await self.unlimited()
        return user_id

    async def unlimited(self) -> None:
        """Lift the rates of all users that there are: what is proved here is not the rates."""
        connection = await asyncpg.connect(self.postgres.dsn(user=SUPERUSER))
        try:
            await connection.execute("update public.profiles set limits = $1::jsonb", json.dumps(UNLIMITED))
        finally:
            await connection.close()

    def log(self) -> str:
        """What the server has logged so far."""
        return (self.state / "server.log").read_text()

    def secrets(self) -> dict[str, str]:
        """What must stand in no log and in no answer, by name."""
        keys = self.gateway.keys
        return {
            "an API key": self.key,
            "the developer's password": (self.state / "developer-password").read_text().strip(),
            "the service role's key": keys.service_role_key,
            "the anonymous key": keys.anon_key,
            "the signing key": str(keys.signing_key["d"]),
        }

    def secrets_said(self) -> list[str]:
        """Names of the secrets that the server has logged or printed."""
        said = self.log() + (self.state.parent / "serve.log").read_text()
        return [name for name, secret in self.secrets().items() if secret in said]

    def processes(self) -> dict[int, int]:
        """Resident KiB of the server and of every process below it."""
        found: dict[int, int] = {}
        waiting = [self.pid]
        while waiting:
            pid = waiting.pop()
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                children = [Path(f"/proc/{pid}/task/{t.name}/children") for t in Path(f"/proc/{pid}/task").iterdir()]
                waiting += [int(child) for file in children for child in file.read_text().split()]
            except (FileNotFoundError, ProcessLookupError):
                continue
            resident = re.search(r"VmRSS:\s+(\d+)", status)
            found[pid] = int(resident.group(1)) if resident else 0
        return found


@asynccontextmanager
async def product(model: Path = ROOT / ".local" / "model") -> AsyncIterator[Product]:
    """Start everything, and end it. Raises `RuntimeError` with the server's own words when it does not come up."""
    with tempfile.TemporaryDirectory(prefix="lift-sys-proof-") as name:
        directory = _prepared(Path(name), model)
        postgres = EmbeddedPostgres(directory / "postgres", durable=False)
        postgres.start()
        try:
            await bootstrap(postgres)
            keys = Keys.generate()
            gateway = Gateway(
                rest_dsn=postgres.dsn(user="authenticator"),
                auth_dsn=postgres.dsn(user="supabase_auth_admin"),
                keys=keys,
            )
            async with (
                gateway.running(),
                Relay(gateway.port) as relay,
                _server(directory, postgres, gateway, relay) as it,
            ):
                await it.unlimited()
                yield it
        finally:
            postgres.stop()


def _prepared(directory: Path, model: Path) -> Path:
    directory.chmod(0o711)  # as root, the database runs as another user, who has to get through
    (directory / ".local").mkdir()
    (directory / ".local" / "model").symlink_to(model)
    return directory


@asynccontextmanager
async def _server(
    directory: Path, postgres: EmbeddedPostgres, gateway: Gateway, relay: Relay
) -> AsyncIterator[Product]:
    port = _free_port()
    keys = gateway.keys
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SUPABASE_"))} | {
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
        "SUPABASE_URL": relay.url,
        "SUPABASE_ANON_KEY": keys.anon_key,
        "SUPABASE_SERVICE_ROLE_KEY": keys.service_role_key,
        "JWT_SIGNING_KEY": json.dumps(keys.signing_key),
        "DATABASE_URL": postgres.dsn(),
    }
    log = directory / "serve.log"
    process = _started(directory, environment, log)
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(url, process, log)
        state = directory / ".local"
        key = (state / "api-key").read_text().strip()
        yield Product(url, key, state, process.pid, postgres, gateway, relay)
    finally:
        process.terminate()
        try:
            await asyncio.to_thread(process.wait, 60)
        except subprocess.TimeoutExpired:
            process.kill()


def _started(directory: Path, environment: Mapping[str, str], log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as output:
        command = tied([sys.executable, "-m", "proofs.watched_server"])
        return subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=output)  # noqa: S603 - our own module


async def _ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    async with httpx.AsyncClient(trust_env=False, timeout=5) as client:
        for _ in range(READY_S * 2):
            if process.poll() is not None:
                break
            try:
                if "The engine is ready (" in _said(log):
                    (await client.get(f"{url}/health")).raise_for_status()
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.5)
    raise RuntimeError(f"the server did not come up:\n{_said(log)}")


def _said(log: Path) -> str:
    return log.read_text()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
