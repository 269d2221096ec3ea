import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from infra.local.bootstrap import bootstrap
from infra.local.gateway import Gateway, Keys
from infra.local.postgres import EmbeddedPostgres
from tests.database_fixtures import scratch_directory

ROOT = Path(__file__).resolve().parents[2]

# Starts what its arguments say as `make serve` starts it.
PARENT = """
import subprocess, sys
from infra.local.tied_process import tied
subprocess.Popen(tied(sys.argv[1:])).wait()
"""


@pytest.fixture
def local() -> Iterator[Path]:
    """What `.local` is to `make serve`."""
    with scratch_directory() as directory:
        yield directory


@pytest.fixture
def server(local: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(local / "postgres", durable=False)
    server.start()
    yield server
    server.stop()


def command(local: Path, port: int, postgres_port: int) -> list[str]:
    options = ["--directory", str(local), "--port", str(port), "--postgres-port", str(postgres_port)]
    return [sys.executable, "-m", "infra.local.gateway", *options]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def answers(url: str) -> bool:
    async with httpx.AsyncClient() as client:
        try:
            return (await client.get(f"{url}/health")).status_code == 200
        except httpx.TransportError:
            return False


async def until(url: str, *, answering: bool) -> bool:
    for _ in range(500):
        if await answers(url) is answering:
            return True
        await asyncio.sleep(0.02)
    return False


async def test_the_gateway_outlives_its_database(server: EmbeddedPostgres):
    await bootstrap(server)
    gateway = Gateway(
        rest_dsn=server.dsn(user="authenticator"),
        auth_dsn=server.dsn(user="supabase_auth_admin"),
        keys=Keys.generate(),
    )
    headers = {"apikey": gateway.keys.anon_key}
    credentials = {"email": "ada@example.com", "password": "correct horse"}
    async with gateway.running(), httpx.AsyncClient(base_url=gateway.url, headers=headers, timeout=30) as client:
        assert (await client.post("/auth/v1/signup", json=credentials)).status_code == 200
        assert server.pid
        os.kill(server.pid, signal.SIGKILL)
        for path in ("/rest/v1/rpc/anything", "/auth/v1/token?grant_type=password"):
            down = await client.post(path, json=credentials)
            assert down.status_code == 503, down.text
        server.start()
        assert (await client.post("/auth/v1/token?grant_type=password", json=credentials)).status_code == 200
        assert (await client.post("/rest/v1/rpc/anything", json={})).json()["code"] == "PGRST202"
        assert (await client.get("/health")).status_code == 200


async def test_the_process_ends_with_its_parent(local: Path, server: EmbeddedPostgres):
    await bootstrap(server)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [sys.executable, "-c", PARENT, *command(local, port, server.port)]
    parent = subprocess.Popen(arguments, cwd=ROOT)  # noqa: ASYNC220, S603 - our own
    try:
        assert await until(url, answering=True)
        keys = Keys.kept_in(local / "supabase-keys.json")
        async with httpx.AsyncClient(base_url=url, headers={"apikey": keys.anon_key}) as client:
            assert (await client.get("/auth/v1/settings")).status_code == 200
    finally:
        parent.kill()
        parent.wait()
    assert await until(url, answering=False)


def test_a_taken_port_is_named(local: Path, server: EmbeddedPostgres):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        done = subprocess.run(  # noqa: S603 - our own
            command(local, port, server.port), capture_output=True, text=True, check=False, cwd=ROOT
        )
    assert done.returncode == 1
    assert done.stderr.startswith(f"port {port} cannot be used by the Supabase gateway (Address already in use)")
    assert done.stderr.count("\n") == 1


def test_without_a_database_it_says_what_is_missing(local: Path):
    done = subprocess.run(  # noqa: S603 - our own
        command(local, 0, 1), capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 1
    assert "holds no database yet" in done.stderr
