"""An engine's processes: killed, they are noticed and replaced; none outlives the one that started it."""

import asyncio
import contextlib
import multiprocessing
import os
import signal
import sys
from pathlib import Path

import pytest

from functions.engine import Engine
from functions.failures import EngineUnavailable
from infra.settings import EngineSettings, load_settings
from tests.functions.test_engine import answer, drain, request

# A process that starts another one with vLLM's configuration among its arguments, says its number, and waits.
PARENT = """
import multiprocessing, time
from functions.vllm_adapter import _InEachProcess

if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    child.configuration = _InEachProcess()  # unpickled with the process object, as vLLM's is
    child.start()
    print(child.pid, flush=True)
    child.join()
"""


def engine_processes() -> list[int]:
    """Engine cores, and the workers below them."""
    cores = [child.pid for child in multiprocessing.active_children() if child.name == "EngineCore"]
    workers = [int(pid) for core in cores for pid in Path(f"/proc/{core}/task/{core}/children").read_text().split()]
    return [pid for pid in (*cores, *workers) if pid is not None]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def gone(pids: list[int]) -> None:
    while any(map(is_running, pids)):  # noqa: ASYNC110 - the state of other processes has no event; the test times out
        await asyncio.sleep(0.05)


def watched(pid: int) -> set[int]:
    """The processes that `pid` holds a pidfd of (proc(5), fdinfo)."""
    lines: list[str] = []
    for file in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it was closed meanwhile: the process is still starting
            lines += file.read_text().splitlines()
    return {int(line.split()[1]) for line in lines if line.startswith("Pid:")}


async def test_a_killed_core_is_noticed_and_replaced_and_what_was_running_is_told(engine: Engine):
    processes = engine_processes()
    before = await engine.status()
    stream = engine.generate(request(max_tokens=2000))
    await anext(stream)
    os.kill(processes[0], signal.SIGKILL)
    with pytest.raises(EngineUnavailable, match="died") as told:
        await drain(stream)
    assert told.value.retry_after_s >= 1
    with pytest.raises(EngineUnavailable):
        await answer(engine, request())
    assert (await engine.status()).state == "warming"
    await gone(processes)

    while (await engine.status()).state != "ready":  # noqa: ASYNC110 - as any caller sees it
        await asyncio.sleep(0.1)
    assert (await engine.status()).restarts == before.restarts + 1
    assert (await answer(engine, request(max_tokens=2))).end.usage.completion_tokens == 2


async def test_each_process_of_an_engine_watches_its_parent_and_has_a_process_group_of_its_own(engine: Engine):
    core, *workers = engine_processes()
    assert os.getpid() in watched(core)
    assert all(core in watched(worker) for worker in workers)
    assert {os.getpgid(pid) for pid in (core, *workers)} == {core, *workers}


async def test_a_killed_parent_leaves_no_process(tmp_path: Path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    parent = await asyncio.create_subprocess_exec(sys.executable, str(script), stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    while parent.pid not in watched(child):  # noqa: ASYNC110 - the state of other processes has no event
        await asyncio.sleep(0.05)
    parent.kill()
    await parent.wait()
    await gone([child])


async def test_an_engine_that_cannot_start_says_why_and_leaves_nothing(tmp_path: Path):
    broken = Engine(local_settings(), tmp_path)
    with pytest.raises(EngineUnavailable, match="did not start") as told:
        await broken.start()
    assert told.value.__cause__ is not None
    assert (await broken.status()).state == "cold"


async def test_an_engine_that_was_not_started_says_so(tmp_path: Path):
    cold = Engine(local_settings(), tmp_path)
    with pytest.raises(EngineUnavailable, match="cold"):
        await answer(cold, request())
    await cold.stop()


async def test_sleeping_is_nothing_where_the_settings_do_not_allow_it(engine: Engine):
    await engine.sleep()
    assert (await engine.status()).state == "ready"
    await engine.wake()
    assert (await answer(engine, request(max_tokens=1))).end.usage.completion_tokens == 1


def local_settings() -> EngineSettings:
    return load_settings("local").engine
