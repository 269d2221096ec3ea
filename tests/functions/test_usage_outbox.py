"""Notes of use that outlive a process: each whole or not there, and none lost."""

import asyncio
import stat
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.ledger import LateUse
from functions.usage_outbox import UsageOutbox

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def use(minutes: int = 0, usd: float | None = None) -> LateUse:
    outcome = None if usd is None else {"cost_usd": usd}
    return LateUse(
        id=str(uuid.uuid4()), user_id="u", key_id=None, began_at=BEGAN + timedelta(minutes=minutes),
        work={"estimated_usd": 0.5}, outcome=outcome,
    )  # fmt: skip


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "some" / "where"


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_what_is_put_is_there_for_the_next_process_oldest_first(directory: Path):
    outbox = UsageOutbox(directory, 3)
    late, early = use(2), use(1)
    for each in (late, early):
        await outbox.put(each)
    assert await outbox.entries() == [early, late]
    following = UsageOutbox(directory, 3)
    assert len(following) == 2, "before anything is read"
    assert await following.entries() == [early, late]
    assert names(directory) == sorted(f"{each.id}.json" for each in (late, early))


def test_nobody_else_may_read_it(directory: Path):
    UsageOutbox(directory, 1)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_an_entry_takes_the_place_of_the_one_under_its_id(directory: Path):
    outbox = UsageOutbox(directory, 2)
    begun = use()
    ended = begun.model_copy(update={"outcome": {"cost_usd": 0.25}})
    for each in (begun, ended):
        await outbox.put(each)
    assert await outbox.entries() == [ended]
    assert (len(outbox), outbox.is_full) == (1, False)
    await outbox.put(use())
    assert outbox.is_full


async def test_what_another_process_has_put_counts_once_it_is_seen(directory: Path):
    outbox, other = UsageOutbox(directory, 1), UsageOutbox(directory, 1)
    put = use()
    await other.put(put)
    assert not outbox.is_full
    assert await outbox.entries() == [put]
    assert outbox.is_full


async def test_what_is_booked_is_gone_and_may_have_been_booked_by_another(directory: Path):
    outbox, other = UsageOutbox(directory, 2), UsageOutbox(directory, 2)
    one, two = use(), use()
    for each in (one, two):
        await outbox.put(each)
    await other.remove(one)
    await outbox.remove(one)
    assert (len(outbox), await outbox.entries()) == (1, [two])
    await other.remove(two)
    assert (len(outbox), outbox.is_full) == (1, False), "nothing tells it before it looks"
    assert (await outbox.entries(), len(outbox)) == ([], 0)


async def test_what_is_put_while_the_notes_are_read_counts(directory: Path):
    outbox, loop = UsageOutbox(directory, 3), asyncio.get_running_loop()
    read, write, may_write = outbox._read, outbox._write, threading.Event()
    slow, quick = use(1), use(2)

    def written_late(late: LateUse) -> None:
        may_write.wait()
        write(late)

    def read_before_it_is_there() -> list[LateUse]:
        found = read()
        asyncio.run_coroutine_threadsafe(outbox.put(quick), loop).result()
        return found

    outbox._write = written_late
    putting = asyncio.create_task(outbox.put(slow))
    await asyncio.sleep(0)
    outbox._read, outbox._write = read_before_it_is_there, write
    assert await outbox.entries() == []
    may_write.set()
    await putting
    assert len(outbox) == 2
    outbox._read = read
    assert await outbox.entries() == [slow, quick]


async def test_what_never_can_be_booked_lies_aside_and_leaves_its_room(directory: Path):
    outbox = UsageOutbox(directory, 1)
    put = use()
    await outbox.put(put)
    await outbox.set_aside(put, "its user is gone")
    assert (len(outbox), await outbox.entries()) == (0, [])
    assert names(directory) == [f"{put.id}.unbookable"]
    assert LateUse.model_validate_json((directory / f"{put.id}.unbookable").read_bytes()) == put


async def test_what_cannot_be_read_lies_aside_and_does_not_hide_the_rest(directory: Path):
    outbox = UsageOutbox(directory, 3)
    put, broken = use(), str(uuid.uuid4())
    await outbox.put(put)
    (directory / f"{broken}.json").write_text("half")
    following = UsageOutbox(directory, 3)
    assert len(following) == 2
    assert await following.entries() == [put]
    assert len(following) == 1
    assert names(directory) == sorted([f"{put.id}.json", f"{broken}.unreadable"])


async def test_what_another_process_books_while_the_notes_are_read_is_passed_over(directory: Path):
    outbox = UsageOutbox(directory, 3)
    put = [use(minutes) for minutes in range(3)]
    for each in put:
        for _ in range(5):  # files come in no order
            (directory / f"{uuid.uuid4()}.json").symlink_to("booked meanwhile")
        await outbox.put(each)
    assert await outbox.entries() == put


async def test_each_change_is_told_to_who_keeps_the_disk(directory: Path):
    told: list[list[str]] = []

    async def kept() -> None:
        told.append(names(directory))

    outbox = UsageOutbox(directory, 2, kept=kept)
    one, two = use(), use()
    await outbox.put(one)
    await outbox.remove(one)
    await outbox.put(two)
    await outbox.set_aside(two, "no")
    assert told == [[f"{one.id}.json"], [], [f"{two.id}.json"], [f"{two.id}.unbookable"]]


async def test_what_may_not_be_kept_is_said_as_of_any_disk(directory: Path):
    async def kept() -> None:
        raise RuntimeError("there are open files")

    outbox = UsageOutbox(directory, 2, kept=kept)
    one, two = use(), use()
    for each in (one, two):
        with pytest.raises(OSError, match="RuntimeError: there are open files"):
            await outbox.put(each)
    with pytest.raises(OSError, match="may not be kept"):
        await outbox.remove(one)
    with pytest.raises(OSError, match="may not be kept"):
        await outbox.set_aside(two, "no")
    assert names(directory) == [f"{two.id}.unbookable"]
    assert len(outbox) == 0


async def test_what_is_removed_while_it_is_written_does_not_come_back(directory: Path):
    outbox, is_writing, may_write = UsageOutbox(directory, 2), threading.Event(), threading.Event()
    write, put = outbox._write, use()

    def written_late(late: LateUse) -> None:
        is_writing.set()
        may_write.wait()
        write(late)

    outbox._write = written_late
    putting = asyncio.create_task(outbox.put(put))
    await asyncio.to_thread(is_writing.wait)
    putting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await putting
    await outbox.remove(put)
    assert len(outbox) == 0
    writing = set(outbox._writing.values())
    may_write.set()
    await asyncio.wait(writing)
    assert names(directory) == []
    assert await outbox.entries() == []


@pytest.mark.parametrize(("outcome", "usd"), [(None, 0.5), ({"cost_usd": 0.25}, 0.25), ({"released": True}, 0.0)])
def test_it_has_cost_what_was_estimated_until_that_is_known(outcome: dict[str, float] | None, usd: float):
    assert use().model_copy(update={"outcome": outcome}).usd == usd


async def test_an_id_that_is_none_makes_no_file(directory: Path):
    outbox = UsageOutbox(directory, 2)
    with pytest.raises(ValueError, match="UUID"):
        await outbox.put(use().model_copy(update={"id": "../elsewhere"}))
    assert names(directory) == []
