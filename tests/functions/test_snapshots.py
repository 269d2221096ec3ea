"""What is done after a restore, in order, with an engine that only notes what is asked of it."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from functions.failures import EngineUnavailable
from functions.generation import EngineStatus, Finished, GenerationEvent, GenerationRequest, Timing, Usage
from functions.snapshots import wake_or_restart


class NotedEngine:
    def __init__(self, *, breaks_in: str = "") -> None:
        self.asked: list[str] = []
        self._breaks_in = breaks_in

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if what == self._breaks_in:
            raise EngineUnavailable("the engine", "its process has died")

    async def wake(self) -> None:
        self._note("wake")

    async def reseed(self) -> None:
        self._note("reseed")

    async def stop(self) -> None:
        self._note("stop")

    async def start(self) -> None:
        self._note("start")

    async def reload_weights(self) -> None:
        self._note("reload")

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        self._note(f"generate {request.sampling.max_tokens}")
        usage = Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1)
        yield Finished(finish_reason="length", usage=usage, timing=Timing(time_to_first_token_s=0.0, total_s=0.0))

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="noted")


async def test_a_restored_engine_is_woken_and_proved_by_a_token():
    engine = NotedEngine()
    await wake_or_restart(engine, engine.reload_weights)
    assert engine.asked == ["wake", "reseed", "generate 1"]


@pytest.mark.parametrize("broken", ["wake", "reseed", "generate 1"])
async def test_a_restore_that_fails_falls_back_to_a_normal_start(broken: str):
    engine = NotedEngine(breaks_in=broken)
    await wake_or_restart(engine, engine.reload_weights)
    assert engine.asked[-3:] == ["stop", "reload", "start"]


async def test_a_normal_start_that_fails_is_an_error():
    engine = NotedEngine(breaks_in="wake")
    engine.start = engine.wake  # type: ignore[method-assign] # as broken as waking
    with pytest.raises(EngineUnavailable):
        await wake_or_restart(engine, engine.reload_weights)


async def test_two_containers_of_one_snapshot_draw_differently_and_read_clocks_and_secrets_anew(tmp_path: Path):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.functions.restored_twice", str(tmp_path)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0
    one, other = (json.loads(line) for line in said.decode().splitlines() if '"started_s"' in line)
    for restored in (one, other):
        assert restored["span"], "the receiver of telemetry is a secret, which is read after the restore"
        assert restored.pop("started_s") < 3600, "the time since the snapshot is no part of a start"
    assert not [name for name in one if one[name] == other[name]]
