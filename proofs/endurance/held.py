"""What the server holds: memory by process, tasks, connections, the engine's requests, reservations of money."""

import asyncio
import json
import signal
from collections import Counter
from dataclasses import dataclass
from os import kill
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from infra.local.postgres import SUPERUSER
from proofs.product import Product

LISTENING, WAITED_OUT = "0A", "06"  # states of connections in /proc/net/tcp
MIB_KIB = 1024
FULL_S = 60.0


@dataclass(frozen=True)
class Held:
    """At one moment. `connections` are clients'; `files` counts the server's descriptors of any kind."""

    tasks: dict[str, int]
    threads: int
    connections: int
    files: int
    engine_running: int
    engine_waiting: int
    reservations: int
    expired: int
    reserved_usd: float
    memory_mib: dict[str, int]

    @property
    def all_tasks(self) -> int:
        """Of asyncio, in the server."""
        return sum(self.tasks.values())


async def held(server: Product, operator: str) -> Held:
    """`operator` is an operator's access token. A server that is too full to say is asked again."""
    engine = await _engine(server, operator)
    reserved, expired, reserved_usd = await _booked(server)
    told = await _told(server)
    return Held(
        tasks=told["tasks"],
        threads=told["threads"],
        connections=connections(server),
        files=_files(server.pid),
        engine_running=engine["running"],
        engine_waiting=engine["waiting"],
        reservations=reserved,
        expired=expired,
        reserved_usd=reserved_usd,
        memory_mib=memory_mib(server),
    )


async def _engine(server: Product, operator: str) -> dict[str, int]:
    async with asyncio.timeout(FULL_S), server.client() as client:
        while True:
            answer = await client.get("/health/detailed", headers={"authorization": f"Bearer {operator}"})
            if answer.status_code == 200 and answer.json()["engine"]["running"] is not None:
                return dict(answer.json()["engine"])
            assert answer.status_code in (200, 503), answer.text
            await asyncio.sleep(0.2)


def memory_mib(server: Product) -> dict[str, int]:
    """Resident memory of the server, of the engine, and of all other processes together."""
    found: Counter[str] = Counter()
    for pid, kib in server.processes().items():
        found["server" if pid == server.pid else _role(pid)] += kib
    return {role: kib // MIB_KIB for role, kib in found.items()}


def connections(server: Product) -> int:
    """Of clients that the server's kernel still has something to do with."""
    port = urlsplit(server.url).port or 0
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    states = [line[3] for line in lines if line[1].endswith(f":{port:04X}")]
    return len([state for state in states if state not in (LISTENING, WAITED_OUT)])


def _files(pid: int) -> int:
    return len([*Path(f"/proc/{pid}/fd").iterdir()])


async def tokens_by_user(server: Product) -> dict[str, int]:
    """What the ledger has for each user: tokens written."""
    query = "select user_id::text, coalesce(sum(completion_tokens), 0)::int from public.generations group by 1"
    return {row[0]: row[1] for row in await _rows(server, query)}


async def reservations(server: Product) -> int:
    """Work that was admitted and is neither settled nor released."""
    return (await _booked(server))[0]


async def _booked(server: Product) -> tuple[int, int, float]:
    states = await _rows(server, "select state, count(*) from public.generations group by 1")
    counted = {row[0]: int(row[1]) for row in states}
    (usd,) = await _rows(server, "select coalesce(sum(reserved_usd), 0) from public.budgets")
    return counted.get("reserved", 0), counted.get("expired", 0), float(usd[0])


async def _rows(server: Product, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(server.postgres.dsn(user=SUPERUSER))
    try:
        return list(await connection.fetch(query))
    finally:
        await connection.close()


async def _told(server: Product) -> dict[str, Any]:
    file = server.state / "held.json"
    file.unlink(missing_ok=True)
    kill(server.pid, signal.SIGUSR1)
    async with asyncio.timeout(30):
        while not file.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.02)
    told: dict[str, Any] = json.loads(file.read_text())
    return told


def _role(pid: int) -> str:
    try:
        return "engine" if "VLLM" in Path(f"/proc/{pid}/comm").read_text() else "others"
    except FileNotFoundError:
        return "others"
