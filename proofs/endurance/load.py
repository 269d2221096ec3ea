"""The clients: each asks again as soon as its stream has ended; now and then a crowd comes on top of them."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from proofs.endurance.held import Held, connections, held, memory_mib
from proofs.endurance.people import CLIENTS_EACH, GREEDY, Person
from proofs.endurance.streams import Manner, Stream, stream
from proofs.product import Product

SEED = 10
MANNERS: tuple[Manner, ...] = ("prompt",) * 12 + ("slow",) * 4 + ("leaving",) * 4
STUCK = 4
CROWD, CROWD_EVERY_S = 60, 20.0
SAMPLE_S, PROBE_S = 10.0, 2.0
LONGEST_WAIT_S = 5.0


@dataclass
class Course:
    """What was seen: every stream, when crowds came, seconds of each look at /health, and the server every 10 s."""

    began: float = field(default_factory=time.monotonic)
    streams: list[Stream] = field(default_factory=list)
    crowd: list[Stream] = field(default_factory=list)
    crowds_at: list[float] = field(default_factory=list)
    health_s: list[float] = field(default_factory=list)
    health_faults: list[str] = field(default_factory=list)
    memory_mib: list[dict[str, int]] = field(default_factory=list)
    most_connections: int = 0
    at_work: Held | None = None


@asynccontextmanager
async def load(
    server: Product, users: Sequence[Person], crowd: Person, operator: str, seconds: float
) -> AsyncIterator[Course]:
    """All of them for `seconds`; then they leave at once. Who is stuck stays while the block runs."""
    course = Course()
    clients = [
        asyncio.create_task(_client(server, course, number, person, index))
        for number, person in enumerate(users)
        for index in range(CLIENTS_EACH * (2 if number == GREEDY else 1))
    ]
    watching = [
        asyncio.create_task(_crowds(server, course, len(users), crowd)),
        asyncio.create_task(_samples(server, course)),
        asyncio.create_task(_probes(server, course)),
        asyncio.create_task(_at_work(server, course, operator, seconds / 2)),
    ]
    stuck = [
        asyncio.create_task(stream(_port(server), users[n].credentials[0], n, "stuck", random.Random(SEED)))
        for n in range(1, STUCK + 1)
    ]
    try:
        done, _ = await asyncio.wait([*clients, *watching], timeout=seconds, return_when=asyncio.FIRST_EXCEPTION)
        await _end([*clients, *watching])
        for task in done:
            task.result()  # a fault of the proof itself
        yield course
    finally:
        await _end([*clients, *watching, *stuck])


async def _end(tasks: Sequence["asyncio.Task[object]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _client(server: Product, course: Course, user: int, person: Person, index: int) -> None:
    chance = random.Random(f"{SEED}-{user}-{index}")
    credentials = person.credentials[index % len(person.credentials)]
    await asyncio.sleep(chance.uniform(0, 2))
    while True:
        this = await stream(_port(server), credentials, user, MANNERS[index % len(MANNERS)], chance)
        course.streams.append(this)
        if this.how != "whole":
            said = float(this.retry_after or 1)
            await asyncio.sleep(min(said, LONGEST_WAIT_S) * chance.uniform(1, 1.5))


async def _crowds(server: Product, course: Course, user: int, person: Person) -> None:
    chance = random.Random(f"{SEED}-crowd")

    async def one() -> None:
        course.crowd.append(await stream(_port(server), person.credentials[0], user, "prompt", chance))

    async with asyncio.TaskGroup() as group:
        while True:
            await asyncio.sleep(CROWD_EVERY_S)
            course.crowds_at.append(time.monotonic())
            for _ in range(CROWD):
                group.create_task(one())


async def _samples(server: Product, course: Course) -> None:
    while True:
        await asyncio.sleep(SAMPLE_S)
        course.memory_mib.append(memory_mib(server))
        course.most_connections = max(course.most_connections, connections(server))


async def _probes(server: Product, course: Course) -> None:
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=30) as client:
        while True:
            began = time.monotonic()
            answer = await client.get("/health")
            course.health_s.append(time.monotonic() - began)
            if answer.status_code != 200:
                course.health_faults.append(f"GET /health: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(PROBE_S)


async def _at_work(server: Product, course: Course, operator: str, after_s: float) -> None:
    """How much is held in the middle."""
    await asyncio.sleep(after_s)
    course.at_work = await held(server, operator)


def _port(server: Product) -> int:
    return urlsplit(server.url).port or 0
