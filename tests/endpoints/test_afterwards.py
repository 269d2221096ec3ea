"""Clean-up that nobody waits for: it is brought to its end, and what it fails with is told."""

import asyncio

import pytest
from structlog.testing import capture_logs

from endpoints.afterwards import Afterwards


async def worked(began: asyncio.Event, gate: asyncio.Event, done: list[str]) -> str:
    began.set()
    await gate.wait()
    done.append("done")
    return "result"


async def test_who_is_cancelled_while_waiting_takes_no_work_with_it():
    afterwards, began, gate = Afterwards(), asyncio.Event(), asyncio.Event()
    done: list[str] = []
    waiting = asyncio.create_task(afterwards.finish(worked(began, gate, done)))
    await began.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    gate.set()
    await afterwards.close()
    assert done == ["done"]
    assert await afterwards.finish(worked(began, gate, done)) == "result"


async def test_what_fails_is_logged_and_nothing_else():
    afterwards, gate = Afterwards(), asyncio.Event()
    gate.set()

    async def fails() -> None:
        raise ValueError("no such row")

    with capture_logs() as logged:
        afterwards.begin(fails())
        afterwards.begin(worked(asyncio.Event(), gate, []))
        afterwards.begin(worked(asyncio.Event(), asyncio.Event(), [])).cancel()
        await afterwards.close()
    assert logged == [
        {"event": "a clean-up failed", "error": "ValueError", "reason": "no such row", "log_level": "warning"}
    ]


async def test_closing_begins_what_was_put_off_and_waits_for_no_more_than_its_time():
    afterwards, began, gate = Afterwards(), asyncio.Event(), asyncio.Event()
    done: list[str] = []
    afterwards.before_closing(began.set)
    endless = afterwards.begin(worked(asyncio.Event(), gate, done))
    async with asyncio.timeout(20):
        await afterwards.close(within_s=0)
    assert began.is_set()
    assert done == []
    gate.set()
    await endless
    assert done == ["done"]


async def test_closing_waits_for_what_a_clean_up_begins_meanwhile():
    afterwards, gate = Afterwards(), asyncio.Event()
    done: list[str] = []

    async def begins_another(left: int) -> None:
        await gate.wait()
        await asyncio.sleep(0)
        afterwards.begin(begins_another(left - 1) if left else worked(asyncio.Event(), gate, done))

    afterwards.begin(begins_another(5))
    afterwards.before_closing(gate.set)
    await afterwards.close()
    assert done == ["done"]
