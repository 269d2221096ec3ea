"""Run by a test: a process that forks is a snapshot, and each of its children a container that is restored from it.

Prints what each child drew after `EngineContainer.wake`, as a line of JSON.
"""

import asyncio
import json
import os
import random
import secrets
import ssl
import sys
import time
import uuid
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from functions.cache import FileStore
from functions.engine_container import EngineContainer
from functions.engine_remote import LAST_START, start_times
from functions.generation import GenerationEvent, GenerationRequest
from functions.worker_extension import WorkerExtension
from infra import telemetry
from infra.settings import load_settings
from tests.functions.test_snapshots import NotedEngine

DAY_S = 86_400.0
SETTINGS = load_settings("local")


class WorkingEngine(NotedEngine):
    """Its worker is this process, and it starts nothing."""

    request_id = ""

    async def reseed(self) -> None:
        WorkerExtension().seed_from_the_system()

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        self.request_id = request.id
        async for event in super().generate(request):
            yield event


def drawn() -> dict[str, Any]:
    """Something of every source of randomness that a container has."""
    with telemetry.span("drawn") as span:
        made = span.get_span_context()
    return {
        "random": random.random(),
        "uuid": uuid.uuid4().hex,
        "secrets": secrets.token_hex(8),
        "openssl": ssl.RAND_bytes(8).hex(),
        "numpy": float(np.random.random()),  # noqa: NPY002 - the global state is what a snapshot holds
        "torch": float(torch.rand(1)),
        "span": made.span_id,
    }


async def restored(engine: WorkingEngine, container: EngineContainer, store: FileStore) -> dict[str, Any]:
    clock = time.monotonic
    time.monotonic = lambda: clock() + DAY_S  # it is restored a day later,
    os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"  # with a secret that the snapshot had not
    await container.wake(store, reload_weights)
    started = await start_times(store, SETTINGS.engine).get(LAST_START)
    assert started is not None
    return drawn() | {"request": engine.request_id, "started_s": float(started)}


async def reload_weights() -> None:
    raise AssertionError("the restore did not fail")


def main(directory: Path) -> None:
    scaling = SETTINGS.scaling.model_copy(update={"memory_snapshot": True})
    engine = WorkingEngine()
    container = EngineContainer(SETTINGS.model_copy(update={"scaling": scaling}), engine)
    assert drawn()["span"] == 0, "nothing is exported from what will be a snapshot"
    for _ in range(2):
        if os.fork() == 0:
            found = asyncio.run(restored(engine, container, FileStore(directory, max_bytes=2**20)))
            os.write(sys.stdout.fileno(), json.dumps(found).encode() + b"\n")
            os._exit(0)
        os.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
