"""A small Modal app around the real engine client and batches, with an engine that does what its prompt says."""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import modal

from functions.event_batches import run_generation
from functions.failures import Failure, PromptTooLong, Refused
from functions.generation import Delta, EngineStatus, Finished, GenerationEvent, GenerationRequest, Timing, Usage
from infra import telemetry

app = modal.App("sample")
image = modal.Image.debian_slim(python_version="3.11").add_local_python_source("functions", "infra")
ABORTED = "aborted"
REFUSALS: dict[str, Callable[[str], Failure]] = {
    "too-long": lambda limit: PromptTooLong(tokens=9, limit=int(limit)),
    "refuse": lambda reason: Refused("/messages", reason),
}


def write(file: str, text: str) -> None:
    Path(file).write_text(text)


def end_the_first_time(file: str) -> None:
    """Lose this container, as a machine that fails does, unless one was lost here before."""
    if not Path(file).exists():
        write(file, "lost")
        os._exit(3)


class ScriptedEngine:
    """Answers a prompt: `count N` writes N tokens, `pace N M` one of them every M ms."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        what, _, argument = request.messages[0].content.partition(" ")
        if what in REFUSALS:
            raise REFUSALS[what](argument)
        if what == "trace":
            yield Delta(text=telemetry.traceparent() or "none", tokens=1)
        if what == "count":
            for number in range(int(argument)):
                yield Delta(text=f"{number} ", tokens=1)
                await asyncio.sleep(0.001)
        if what == "pace":
            count, pace_ms = (int(word) for word in argument.split())
            began = time.monotonic()  # by the clock: vLLM is a process of its own, which this loop does not slow down
            for number in range(1, count + 1):
                yield Delta(text=f"{number} ", tokens=1)
                await asyncio.sleep(began + number * pace_ms / 1000 - time.monotonic())
        if what == "forever":
            try:
                yield Delta(text="begun", tokens=1)
                await asyncio.Event().wait()
            finally:
                write(argument, ABORTED)
        if what == "crash-before":
            end_the_first_time(argument)
            yield Delta(text="second run", tokens=1)
        if what == "crash-after":
            yield Delta(text="some text", tokens=1)
            await asyncio.sleep(0.2)
            end_the_first_time(argument)
        usage = Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1)
        timing = Timing(time_to_first_token_s=0.0, total_s=0.0)
        yield Finished(finish_reason="stop", usage=usage, timing=timing)

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="scripted")


@app.cls(image=image, max_containers=2)
@modal.concurrent(max_inputs=8)
class Engine:
    """As the product's, around another engine."""

    @modal.method()
    async def generate(self, sent: str) -> AsyncGenerator[str, None]:
        batches = run_generation(ScriptedEngine(), sent, modal.current_function_call_id() or "")
        async with aclosing(batches):
            async for batch in batches:
                yield batch
