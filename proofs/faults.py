"""What becomes of requests while a dependency is slow, away, silent, broken or somebody else; and how soon it is over.

The gateway through the relay, in each of its modes; Postgres stopped and started; the engine's process
killed. While it lasts every answer has to be one that docs/reliability.md promises, in the promised time; the
recovery is measured from the moment the dependency is back (of a killed process: from its end) to the first request
that is served.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from proofs.endurance.held import reservations
from proofs.product import Product, harmless
from proofs.relay import Mode

MODES: tuple[Mode, ...] = ("slow", "refusing", "half-open", "resetting", "wrong")
SETTLED_S = 5.0
"""An answer is settled after it, together with others of its user."""
LONGEST_ANSWER_S = 20.0
"""The database's own limit is 5 s; a request asks it several times, and the machine may be busy."""
RECOVERY_S = 180.0
HEALTH_S = 5.0
EVENTS = {"accept": "text/event-stream"}
LONG = {"prompt": "Tell me a long story.", "regex": "[a-z ]{2000}", "max_tokens": 1_000}
"""Under way when the engine's process is killed."""


@dataclass(frozen=True)
class Reaction:
    """One dependency's fault: the answers while it lasted, the slowest of them, and how long it took to be over."""

    fault: str
    answers: dict[str, str]
    slowest_s: float
    recovery_s: float
    wrong: tuple[str, ...]


async def prove(server: Product) -> bool:
    """Whether every fault was answered as promised and left nothing behind."""
    reactions = [await _gateway(server, mode) for mode in MODES]
    reactions.append(await _postgres(server))
    reactions.append(await _killed(server, "the engine's process killed", "VLLM::EngineCor"))
    print(f"{'fault':32} {'slowest answer':>14} {'served again':>12}  answers")
    for reaction in reactions:
        told = "; ".join(f"{name} {answer}" for name, answer in reaction.answers.items())
        print(f"{reaction.fault:32} {reaction.slowest_s:12.1f} s {reaction.recovery_s:10.1f} s  {told}")
        for wrong in reaction.wrong:
            print(f"  WRONG: {wrong}")
    return not any(reaction.wrong for reaction in reactions)


async def _gateway(server: Product, mode: Mode) -> Reaction:
    @asynccontextmanager
    async def fault() -> AsyncIterator[None]:
        await server.relay.set(mode)
        try:
            yield
        finally:
            await server.relay.set("through")

    return await _reaction(server, f"gateway {mode}", fault())


async def _postgres(server: Product) -> Reaction:
    @asynccontextmanager
    async def fault() -> AsyncIterator[None]:
        server.postgres.stop()
        try:
            yield
        finally:
            server.postgres.start()

    return await _reaction(server, "Postgres stopped", fault())


async def _killed(server: Product, name: str, comm: str) -> Reaction:
    @asynccontextmanager
    async def fault() -> AsyncIterator[None]:
        pids = [pid for pid in server.processes() if _comm(pid).startswith(comm)]
        assert pids, f"no process {comm}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        yield

    async with server.client() as client, client.stream("POST", "/api/generate", json=LONG, headers=EVENTS) as response:
        lines = response.aiter_lines()
        async for line in lines:
            if line == "event: delta":
                break
        reaction = await _reaction(server, name, fault())
        rest = "\n".join([line async for line in lines])
    told = "event: error" in rest and "#engine-unavailable" in rest
    reaction.answers["a stream under way"] = "engine-unavailable" if told else "?"
    wrong = [] if told else [f"a stream under way was not told: {rest[-300:]}"]
    if left := await _left(server):
        wrong.append(f"{left} reservations are left")
    return replace(reaction, wrong=(*reaction.wrong, *wrong))


async def _left(server: Product) -> int:
    """Reservations, when what has just been answered has been settled."""
    until = time.monotonic() + SETTLED_S
    while (left := await reservations(server)) and time.monotonic() < until:  # noqa: ASYNC110 - the database tells nobody
        await asyncio.sleep(0.1)
    return left


async def _reaction(server: Product, name: str, fault: AbstractAsyncContextManager[None]) -> Reaction:
    answers: dict[str, str] = {}
    wrong: list[str] = []
    slowest = 0.0
    async with server.client() as client:
        await _served(client)
        async with fault:
            for label, response, seconds in await asyncio.gather(
                _timed("GET /api/sessions", client.get("/api/sessions")),
                _timed("POST /api/generate", client.post("/api/generate", json=harmless())),
                _timed("GET /health", client.get("/health")),
            ):
                slowest = max(slowest, seconds)
                answers[label] = str(response.status_code)
                wrong += _complaints(label, response, seconds)
        began = time.monotonic()
        await _served(client)
        seconds = time.monotonic() - began
        if server.pid not in server.processes():
            wrong.append("the web tier has ended")
        return Reaction(name, answers, slowest, seconds, tuple(wrong))


def _complaints(label: str, response: httpx.Response, seconds: float) -> list[str]:
    found = []
    if response.status_code not in (200, 503):
        found.append(f"{label}: {response.status_code} {response.text[:200]}")
    if response.status_code == 503 and not label.endswith("/health"):
        if "retry-after" not in response.headers:
            found.append(f"{label}: 503 without Retry-After")
        if response.headers["content-type"] != "application/problem+json":
            found.append(f"{label}: 503 that is no problem document")
    if seconds > (HEALTH_S if label.endswith("/health") else LONGEST_ANSWER_S):
        found.append(f"{label}: answered after {seconds:.1f} s")
    return found


async def _timed(label: str, asked: Awaitable[httpx.Response]) -> tuple[str, httpx.Response, float]:
    began = time.monotonic()
    response = await asked
    return label, response, time.monotonic() - began


async def _served(client: httpx.AsyncClient) -> None:
    """Return when a session list and a generation are both served."""
    async with asyncio.timeout(RECOVERY_S):
        while True:
            listed = await client.get("/api/sessions")
            written = await client.post("/api/generate", json=harmless())
            if listed.status_code == written.status_code == 200:
                return
            await asyncio.sleep(0.1)


def _comm(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
