"""What exporting costs the web tier: requests/s with and without it, in turns, and the processor time of each request.

    python bench/telemetry.py [--rounds N] [--requests N]

The whole application over its real database, without HTTP in front (whose cost would hide what is looked for), and an
engine that answers at once, traced as the real one is. The receiver is a process of its own; every trace is sampled.
Wanted: at most 3 % fewer requests/s. On a machine that does other work too, the processor time is the steadier figure.
"""

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvloop
from database import UNLIMITED
from database_stack import Stack, answering_at_once, started
from fastapi import FastAPI
from pydantic import HttpUrl, SecretStr

from endpoints.app import create_app
from endpoints.composition import compose
from endpoints.tokens import issuer_of
from functions.cache import FileStore
from functions.engine_telemetry import GenerationTrace
from functions.generation import (
    CandidateFinished,
    Delta,
    EngineStatus,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Timing,
    Usage,
)
from functions.sentence_model import SentenceModel
from functions.vllm_adapter import Phases
from infra.local.model import prepare_model
from infra.settings import Secrets, TelemetryExport, load_settings
from infra.telemetry_export import exported

CLIENTS = 8
GENERATE = ("POST", "/api/generate", {"prompt": "Name a colour.", "choice": ["red", "green"], "max_tokens": 8})
REQUESTS: list[tuple[str, str, Any]] = [("GET", "/health", None), ("GET", "/api/sessions", None), GENERATE]


class ImmediateEngine:
    """Answers one token at once, and tells of it what the real engine tells."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        trace = GenerationTrace(request, "immediate", waiting=0)
        now = time.monotonic()
        timing = Timing(time_to_first_token_s=0.0, total_s=0.0)
        usage = Usage(prompt_tokens=9, cached_tokens=0, completion_tokens=1)
        try:
            for event in (
                Delta(text="red", tokens=1),
                CandidateFinished(index=0, finish_reason="stop"),
                Finished(finish_reason="stop", usage=usage, timing=timing),
            ):
                trace.note(event)
                yield event
        finally:
            trace.end(Phases(now, now, now, now))

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="immediate")


async def request(app: FastAPI, token: str, method: str, path: str, body: Any) -> int:
    """The status that the application answers with, asked as a server asks it."""
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "headers": headers, "root_path": "",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
    }  # fmt: skip
    status, is_read = 0, False

    async def receive() -> dict[str, Any]:
        nonlocal is_read
        if is_read:
            await asyncio.Event().wait()  # a client that stays
        is_read = True
        return {"type": "http.request", "body": content, "more_body": False}

    async def send(message: Any) -> None:
        nonlocal status
        status = message.get("status", status)

    await app(scope, receive, send)
    return status


async def round_of(app: FastAPI, token: str, what: tuple[str, str, Any], count: int) -> tuple[float, float]:
    """Requests/s, and seconds of this process's processor time for each."""
    numbers = iter(range(count))

    async def client() -> None:
        for _ in numbers:
            if (status := await request(app, token, *what)) != 200:
                raise RuntimeError(f"{what[:2]} answered {status}")

    began, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count / (time.perf_counter() - began), (time.process_time() - cpu) / count


async def compare(
    app: FastAPI, token: str, what: tuple[str, str, Any], sending: Callable[[], AbstractContextManager[None]], args: Any
) -> None:
    """Print one line. What happens inside `sending` is exported."""
    results: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    await round_of(app, token, what, args.requests)
    for number in range(args.rounds):
        for exporting in (False, True) if number % 2 else (True, False):
            with sending() if exporting else nullcontext():
                results[exporting].append(await round_of(app, token, what, args.requests))
    rate = {key: statistics.median(r for r, _ in values) for key, values in results.items()}
    cpu = {key: statistics.median(c for _, c in values) for key, values in results.items()}
    print(
        f"{what[0]:5}{what[1]:16}{rate[False]:10.0f}{rate[True]:10.0f}{1 - rate[True] / rate[False]:9.1%}"
        f"{cpu[False] * 1e6:12.0f}{cpu[True] * 1e6:10.0f}{cpu[True] / cpu[False] - 1:9.1%}",
        flush=True,
    )


async def measure(stack: Stack, directory: Path, args: Any) -> None:
    settings = load_settings("local").model_copy(update={"limits": UNLIMITED})
    secrets = Secrets(
        supabase_url=HttpUrl(stack.url),
        supabase_anon_key=SecretStr(stack.anon_key),
        jwt_signing_key=SecretStr(json.dumps(stack.keys.signing_key)),
    )
    tokenizer = prepare_model(Path(".local/model")) / "tokenizer.json"
    store = FileStore(directory / "cache", max_bytes=2**24)
    caller = await stack.caller()
    async with (
        answering_at_once() as receiver,
        compose(settings, secrets, ImmediateEngine(), tokenizer, embedder=SentenceModel(), store=store) as services,
    ):
        app = create_app(services)
        token = stack.token(caller.user_id, iss=issuer_of(stack.url))
        export = TelemetryExport(otel_exporter_otlp_endpoint=HttpUrl(receiver))
        print(f"{'':21}{'requests/s':>20}{'':9}{'us of processor':>22}\n{'':21}{'without':>10}{'with':>10}{'loss':>9}"
              f"{'without':>12}{'with':>10}{'more':>9}")  # fmt: skip
        for what in REQUESTS:
            await compare(app, token, what, partial(exported, "bench", "bench", settings.telemetry, export), args)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--requests", type=int, default=200)
    with tempfile.TemporaryDirectory(prefix="lift-sys-bench-") as directory:
        async with started(Path(directory)) as stack:
            await measure(stack, Path(directory), parser.parse_args())


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    uvloop.run(main())
