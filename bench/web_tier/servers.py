"""The servers that are compared, each a process tree of its own on the same core; load and database have the others."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.database_stack import Stack
from bench.web_tier.applications import Place, settings
from bench.web_tier.load import Target
from functions.api_keys import ApiKeys
from functions.callers import ACTOR, Caller
from infra.local.model import prepare_model

BODY = {
    "model": settings().engine.model,
    "messages": [
        {"role": "system", "content": "You are a helpful assistant. Answer in one sentence."},
        {"role": "user", "content": "What is the colour of the sky on a clear day? Answer in one sentence, please."},
    ],
    "max_tokens": 100,
    "temperature": 0.7,
}
SERVER_CORE = max(os.sched_getaffinity(0))
OTHER_CORES = os.sched_getaffinity(0) - {SERVER_CORE} or {SERVER_CORE}


@dataclass(frozen=True)
class Server:
    """One that listens."""

    name: str
    pid: int
    target: Target


async def caller_with_key(stack: Stack) -> tuple[Caller, str]:
    """A user, and an API key of theirs that may generate."""
    caller = await stack.caller()
    return caller, (await ApiKeys(stack.database).create(caller, name="bench", scopes=("generate", "read"))).key


def place_of(stack: Stack, caller: Caller, directory: Path) -> Place:
    """What an application needs of the stack, with a token like those that our server signs for itself."""
    return Place(
        url=stack.url,
        anon_key=stack.anon_key,
        signing_key=dict(stack.keys.signing_key),
        acting_token=stack.token(caller.user_id, act={"sub": ACTOR}, key_id=None),
        directory=str(directory),
        tokenizer=str(prepare_model(Path(".local/model")) / "tokenizer.json"),
    )


@asynccontextmanager
async def serving(
    name: str, place: Place, key: str, *, called: str | None = None, others: Sequence[str] = ()
) -> AsyncIterator[Server]:
    """One of the applications of `bench.web_tier.serve`, `called` otherwise in tables; asked by `others`' keys too."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.web_tier.serve", name, stdin=pipe, stdout=pipe, preexec_fn=on_server_core
    )
    try:
        assert process.stdin
        assert process.stdout
        process.stdin.write(json.dumps(asdict(place)).encode() + b"\n")
        port = int(await process.stdout.readline())
        first, *more = ({"authorization": f"Bearer {one}"} for one in (key, *others))
        target = Target(port, first, json.dumps(BODY).encode(), others=tuple(more))
        yield Server(called or name, process.pid, target)
    finally:
        process.terminate()
        await process.wait()


def on_server_core() -> None:
    """For the process that is about to become a server."""
    os.sched_setaffinity(0, {SERVER_CORE})
