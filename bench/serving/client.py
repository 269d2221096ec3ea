"""A client of any of the servers: streams chat completions and takes the times of what comes."""

import asyncio
import json
import time
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import aiohttp

from bench.serving.workload import Body

TIMEOUT = aiohttp.ClientTimeout(total=300)


@dataclass(frozen=True)
class Server:
    """Where it is, and what it wants to be asked with."""

    name: str
    url: str
    model: str
    headers: dict[str, str]
    idempotent: bool = False


@dataclass(frozen=True)
class Timed:
    """One request. Seconds: `first_s` until the first text, `last_s` until the last. `error` says what went wrong."""

    first_s: float = 0.0
    last_s: float = 0.0
    tokens: int = 0
    chunks: int = 0
    text: str = ""
    finish_reason: str | None = None
    error: str | None = None

    @property
    def per_token_s(self) -> float | None:
        """The time of each token after the first."""
        return (self.last_s - self.first_s) / (self.tokens - 1) if self.tokens > 1 else None


@dataclass(frozen=True)
class Round:
    """All requests of one kind at one concurrency."""

    wall_s: float
    requests: list[Timed]

    @property
    def tokens_per_s(self) -> float:
        """Of those that came to an end."""
        return sum(r.tokens for r in self.requests) / self.wall_s

    @property
    def requests_per_s(self) -> float:
        """As above."""
        return sum(r.error is None for r in self.requests) / self.wall_s


async def ask(session: aiohttp.ClientSession, server: Server, body: Body) -> Timed:
    """One streamed request."""
    headers = server.headers | ({"idempotency-key": uuid.uuid4().hex} if server.idempotent else {})
    began = time.perf_counter()
    first = last = 0.0
    tokens = chunks = 0
    parts: list[str] = []
    reason: str | None = None
    is_ended = False
    try:
        url = f"{server.url}/v1/chat/completions"
        async with session.post(url, json=body | {"model": server.model}, headers=headers) as response:
            if response.status != 200:
                return Timed(error=f"{response.status} {(await response.text())[:300]}")
            async for line in response.content:
                if not line.startswith(b"data: "):
                    continue
                if line.strip() == b"data: [DONE]":
                    is_ended = True
                    continue
                chunk: dict[str, Any] = json.loads(line[6:])
                if "error" in chunk:
                    return Timed(error=json.dumps(chunk["error"])[:300])
                tokens = (chunk.get("usage") or {}).get("completion_tokens", tokens)
                for choice in chunk["choices"]:
                    reason = choice.get("finish_reason") or reason
                    if text := choice["delta"].get("content"):
                        last = time.perf_counter() - began
                        first = first or last
                        chunks += 1
                        parts.append(text)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        return Timed(error=f"{type(error).__name__}: {error}")
    if not is_ended or not tokens:
        return Timed(error="the stream broke off")
    return Timed(first, last, tokens, chunks, "".join(parts), reason)


async def measure(server: Server, bodies: Iterable[Body], concurrency: int) -> Round:
    """All of `bodies`, `concurrency` at a time."""
    waiting = iter(bodies)
    done: list[Timed] = []

    async def worker(session: aiohttp.ClientSession) -> None:
        for body in waiting:
            timed = await ask(session, server, body)
            done.append(timed)

    async with aiohttp.ClientSession(timeout=TIMEOUT, connector=aiohttp.TCPConnector(limit=0)) as session:
        began = time.perf_counter()
        await asyncio.gather(*(worker(session) for _ in range(concurrency)))
        return Round(time.perf_counter() - began, done)
