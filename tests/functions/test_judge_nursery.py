"""Judges that are forked: nothing is lost with the process that forks them, and nothing is left of what it forked."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Callable

import psutil
import pytest

from functions import judge_nursery as nurseries
from functions.judge_nursery import JudgeNursery
from functions.sandbox import ProcessSandbox, Properties, judge_nursery
from infra.settings import Settings

DOUBLED = "def f(x: int) -> int:\n    return x * 2\n"
HANGS = "import time\ndef f(x: int) -> int:\n    time.sleep(600)\n    return x\n"
EVEN = Properties("f", ("x",), ("int",), "int", (), ("result % 2 == 0",), ())


@pytest.fixture
async def nursery(monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[JudgeNursery]:
    """One that is replaced at once."""
    monkeypatch.setattr(nurseries, "PAUSE_S", 0.0)
    nursery = judge_nursery()
    nursery.start()
    assert await nursery.is_ready()
    yield nursery
    await nursery.close()


@pytest.fixture
def sandbox(settings: Settings, nursery: JudgeNursery) -> ProcessSandbox:
    return ProcessSandbox(settings.sandbox, nursery=nursery)


def nursery_process() -> psutil.Process:
    (process,) = [one for one in psutil.Process().children() if "judge_nursery_child.py" in " ".join(one.cmdline())]
    return process


async def test_a_judge_is_forked_and_no_process_started_for_it(
    sandbox: ProcessSandbox, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    search = await sandbox.search(DOUBLED, EVEN)
    assert (search.ended, search.tried, search.faults) == ("finished", 100, ())


async def test_judges_run_side_by_side_and_nothing_is_left_of_them(sandbox: ProcessSandbox):
    codes = [DOUBLED, DOUBLED.replace("2", "3"), DOUBLED.replace("2", "4")]
    faults = [len((search).faults) for search in await asyncio.gather(*(sandbox.search(code, EVEN) for code in codes))]
    assert faults == [0, 1, 0]
    await until(lambda: not nursery_process().children())


async def test_who_gives_up_waiting_leaves_nothing_running(sandbox: ProcessSandbox):
    search = asyncio.create_task(sandbox.search(HANGS, EVEN))
    await until(lambda: bool(nursery_process().children()))
    judges = nursery_process().children(recursive=True)
    search.cancel()
    await asyncio.wait({search})
    await until(lambda: not nursery_process().children())
    await until(lambda: not any(judge.is_running() for judge in judges))
    assert (await sandbox.search(DOUBLED, EVEN)).tried == 100


async def test_without_the_process_that_forks_judges_start_by_themselves_and_it_comes_back(
    sandbox: ProcessSandbox, nursery: JudgeNursery
):
    searching = asyncio.create_task(sandbox.search(HANGS, EVEN))
    await until(lambda: bool(nursery_process().children()))
    forked = nursery_process().children(recursive=True)
    os.kill(nursery_process().pid, signal.SIGKILL)
    hung = await searching
    assert hung.ended == "finished"
    assert hung.lost, "it was judged again, and not blamed for the end of another process"
    psutil.wait_procs(forked, timeout=5)
    assert not [one for one in forked if one.is_running()], "they end with what forked them"
    assert (await sandbox.search(DOUBLED, EVEN)).tried == 100
    assert await nursery.is_ready()
    assert (await sandbox.search(DOUBLED, EVEN)).tried == 100


async def test_what_cannot_be_started_is_not_tried_again_at_once(settings: Settings):
    nursery = JudgeNursery(["/nowhere/python"], environment={}, judge="functions.property_child", packages=())
    sandbox = ProcessSandbox(settings.sandbox, nursery=nursery)
    assert (await sandbox.search(DOUBLED, EVEN)).tried == 100
    first = nursery._starting
    assert not await nursery.is_ready()
    assert (await sandbox.search(DOUBLED, EVEN)).tried == 100
    assert nursery._starting is first
    await nursery.close()


async def test_a_candidate_has_none_of_the_descriptors_of_what_forked_it(sandbox: ProcessSandbox):
    fstat = """
import os
def f(x: int) -> int:
    open_ones = 0
    for number in range(256):
        try:
            os.fstat(number)
        except OSError:
            continue
        open_ones += 1
    return 2 * (open_ones > 4) + 1
"""
    (fault,) = (await sandbox.search(fstat, EVEN)).faults
    assert fault.seen == "gave 1", "its standard ones and its connection"


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - of another process: nothing here could be told of it
            await asyncio.sleep(0.01)
