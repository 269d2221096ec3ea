"""What one server lets callers do by itself: for how long, how often, and for how much."""

import asyncio
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.degraded_mode import BELIEVED_AWAY_S, DegradedMode
from functions.failures import BudgetExceeded, Conflict, DatabaseUnavailable, Forbidden, NotFound, RateLimited, Refused
from functions.ledger import LateUse, Ledger, Outcome
from functions.usage_outbox import UsageOutbox
from infra.operation_settings import DegradedSettings
from infra.settings import Settings
from tests.data_fixtures import work
from tests.endpoints.asgi import until

CALLER = Caller("00000000-0000-4000-8000-000000000001", "", None, frozenset({"generate"}))
OTHER = Caller("00000000-0000-4000-8000-000000000002", "", None, frozenset({"generate"}))


class Hand:
    """A clock that a test turns."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def degraded(settings: Settings, tmp_path: Path, data: Database, hand: Hand) -> DegradedMode:
    small = DegradedSettings(
        enabled=True,
        verified_within_s=60,
        requests_per_minute=6,
        allowance_usd=0.3,
        outbox_directory="unused",
        outbox_entries=4,
    )
    ledger = Ledger(data, lambda _caller: "", settings.limits)
    return DegradedMode(small, ledger, UsageOutbox(tmp_path, small.outbox_entries), clock=hand)


def test_only_for_callers_whom_the_database_vouched_for_lately(degraded: DegradedMode, hand: Hand):
    assert degraded.verified_within_s == 60
    with pytest.raises(DatabaseUnavailable):
        degraded.take(CALLER)
    degraded.verified(CALLER)
    hand.at = 59
    degraded.take(CALLER)
    hand.at = 61
    with pytest.raises(DatabaseUnavailable, match="not here in the last minutes"):
        degraded.take(CALLER)


def test_a_few_requests_a_minute(degraded: DegradedMode, hand: Hand):
    degraded.verified(CALLER)
    degraded.verified(OTHER)
    assert [degraded.take(CALLER).remaining for _ in range(6)] == [5, 4, 3, 2, 1, 0]
    with pytest.raises(RateLimited) as limited:
        degraded.take(CALLER)
    assert limited.value.retry_after_s == 10
    degraded.take(OTHER)
    hand.at = 10
    degraded.verified(CALLER)
    degraded.take(CALLER)
    with pytest.raises(RateLimited):
        degraded.take(CALLER)


async def test_a_few_cents_that_are_not_settled(degraded: DegradedMode):
    degraded.verified(CALLER)
    degraded.verified(OTHER)
    first, second, third = work(0.2), work(0.2), work(0.2)
    await degraded.reserve(CALLER, first)
    with pytest.raises(BudgetExceeded, match="outage"):
        await degraded.reserve(CALLER, second)
    await degraded.reserve(OTHER, third)
    await degraded.settle(first.id, Outcome(0.05))
    await degraded.reserve(CALLER, second)
    await degraded.release(second.id, error="EngineUnavailable")
    await degraded.reserve(CALLER, work(0.25))
    assert degraded.unsettled == 4


async def test_no_more_than_can_be_noted(degraded: DegradedMode):
    degraded.verified(CALLER)
    for _ in range(4):
        await degraded.reserve(CALLER, work(0.01))
    with pytest.raises(DatabaseUnavailable, match="no more can be noted"):
        await degraded.reserve(CALLER, work(0.01))


async def test_what_cannot_be_noted_is_not_begun(degraded: DegradedMode, tmp_path: Path):
    degraded.verified(CALLER)
    shutil.rmtree(tmp_path)
    with pytest.raises(DatabaseUnavailable, match="nothing can be noted"):
        await degraded.reserve(CALLER, work(0.2))
    assert degraded.unsettled == 0


def test_nobody_waits_again_for_what_has_just_failed(degraded: DegradedMode, hand: Hand):
    assert not degraded.is_away
    degraded.failed()
    assert degraded.is_away
    hand.at = BELIEVED_AWAY_S
    assert not degraded.is_away


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Books:
    """A ledger that books late use, unless it is to raise something for the work."""

    def __init__(self) -> None:
        self.raises: dict[str, Exception] = {}
        self.booked: list[LateUse] = []

    async def settle_late(self, use: LateUse) -> None:
        if use.id in self.raises:
            raise self.raises[use.id]
        self.booked.append(use)


class Now:
    """A calendar that a test turns."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


def booking_of(books: Books, directory: Path, now: Now) -> DegradedMode:
    """Of one server, which knows the caller."""
    settings = DegradedSettings(
        enabled=True,
        verified_within_s=60,
        requests_per_minute=60,
        allowance_usd=1.0,
        outbox_directory="unused",
        outbox_entries=4,
    )
    booking = DegradedMode(settings, cast("Ledger", books), UsageOutbox(directory, 4), now=now)
    booking.verified(CALLER)
    return booking


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def now() -> Now:
    return Now()


@pytest.fixture
def booking(tmp_path: Path, books: Books, now: Now) -> DegradedMode:
    return booking_of(books, tmp_path, now)


def names(directory: Path) -> list[str]:
    return sorted(path.suffix for path in directory.iterdir())


async def test_what_has_ended_is_booked_and_no_more_of_the_allowance(booking: DegradedMode, books: Books, now: Now):
    ended, under_way = work(0.5), work(0.5)
    await booking.reserve(CALLER, ended)
    now.at += timedelta(seconds=1)
    await booking.reserve(CALLER, under_way)
    await booking.settle(ended.id, Outcome(0.25, completion_tokens=3))
    assert await booking.drain() == 1
    (use,) = books.booked
    assert (use.id, use.user_id, use.key_id, use.began_at) == (ended.id, CALLER.user_id, None, NOON)
    assert use.outcome is not None
    assert (use.outcome["cost_usd"], use.outcome["completion_tokens"]) == (0.25, 3)
    assert "id" not in use.work
    await booking.reserve(CALLER, work(0.5))
    with pytest.raises(BudgetExceeded):
        await booking.reserve(CALLER, work(0.1))


async def test_what_another_server_has_booked_is_no_more_of_the_allowance(
    booking: DegradedMode, books: Books, tmp_path: Path, now: Now
):
    ended, under_way = work(0.5), work(0.5)
    await booking.reserve(CALLER, ended)
    await booking.reserve(CALLER, under_way)
    await booking.settle(ended.id, Outcome(0.5))
    assert await booking_of(books, tmp_path, now).drain() == 1
    with pytest.raises(BudgetExceeded):
        await booking.reserve(CALLER, work(0.5))
    assert await booking.drain() == 1
    assert [use.id for use in books.booked] == [ended.id]
    await booking.reserve(CALLER, work(0.5))
    with pytest.raises(BudgetExceeded):
        await booking.reserve(CALLER, work(0.1))


@pytest.mark.parametrize("failure", [NotFound("user"), Conflict("it is booked", {}), Refused("/x", "no")])
async def test_what_never_will_be_booked_is_set_aside_for_a_person(
    booking: DegradedMode, books: Books, tmp_path: Path, failure: Exception
):
    lost, good = work(0.5), work(0.25)
    for each in (lost, good):
        await booking.reserve(CALLER, each)
        await booking.settle(each.id, Outcome(each.estimated_usd))
    books.raises[lost.id] = failure
    assert await booking.drain() == 0
    assert [use.id for use in books.booked] == [good.id]
    assert names(tmp_path) == [".unbookable"]
    await booking.reserve(CALLER, work(1.0))


async def test_what_is_not_booked_yet_keeps_nothing_else_from_it(booking: DegradedMode, books: Books, now: Now):
    odd, good = work(0.5), work(0.25)
    for each in (odd, good):
        await booking.reserve(CALLER, each)
        await booking.settle(each.id, Outcome(each.estimated_usd))
        now.at += timedelta(seconds=1)
    books.raises[odd.id] = Forbidden("for a reason that goes away")
    assert await booking.drain() == 1
    assert [use.id for use in books.booked] == [good.id]
    with pytest.raises(BudgetExceeded):
        await booking.reserve(CALLER, work(0.6))
    del books.raises[odd.id]
    assert await booking.drain() == 0
    assert [use.id for use in books.booked] == [good.id, odd.id]


async def test_nothing_is_tried_in_vain_while_the_database_is_away(booking: DegradedMode, books: Books, now: Now):
    first, second = work(0.5), work(0.25)
    for each in (first, second):
        await booking.reserve(CALLER, each)
        await booking.settle(each.id, Outcome(each.estimated_usd))
        now.at += timedelta(seconds=1)
    books.raises[first.id] = DatabaseUnavailable("the database", "away")
    assert await booking.drain() == 2
    assert books.booked == []


async def test_work_whose_server_died_is_booked_once_it_could_not_be_under_way_any_more(
    booking: DegradedMode, books: Books, now: Now, tmp_path: Path
):
    lost, own = work(0.5), work(0.5)
    other = booking_of(books, tmp_path, now)
    await other.reserve(CALLER, lost)
    await booking.reserve(CALLER, own)
    now.at += timedelta(seconds=lost.expires_in_s)
    assert await booking.drain() == 2
    now.at += timedelta(seconds=1)
    assert await booking.drain() == 1
    (use,) = books.booked
    assert (use.id, use.outcome) == (lost.id, {"cost_usd": 0.0, "finish_reason": "abort", "error": "ServerDied"})


async def test_who_leaves_before_the_work_is_noted_has_begun_nothing(booking: DegradedMode, tmp_path: Path):
    written = asyncio.Event()

    async def kept() -> None:
        written.set()
        await asyncio.Event().wait()

    booking._outbox._kept = kept
    reserving = asyncio.create_task(booking.reserve(CALLER, work(1.0)))
    await written.wait()
    booking._outbox._kept = None
    reserving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reserving
    assert names(tmp_path) == []
    await booking.reserve(CALLER, work(1.0))


async def not_kept() -> None:
    """As a platform's client fails that keeps the disk."""
    raise RuntimeError("there are open files")


async def test_what_may_not_be_kept_is_not_begun(booking: DegradedMode, tmp_path: Path):
    booking._outbox._kept = not_kept
    with pytest.raises(DatabaseUnavailable, match="nothing can be noted"):
        await booking.reserve(CALLER, work(1.0))
    assert (names(tmp_path), booking.unsettled) == ([], 0)
    booking._outbox._kept = None
    await booking.reserve(CALLER, work(1.0))


async def test_work_that_is_done_is_good_whether_its_note_is_kept_or_not(booking: DegradedMode, books: Books):
    settled, released, told_late = work(0.25), work(0.25), work(0.25)
    for each in (settled, released):
        await booking.reserve(CALLER, each)
    booking._outbox._kept = not_kept
    await booking.settle(settled.id, Outcome(0.125))
    await booking.release(released.id)
    await booking.keep(CALLER, told_late, 1.0, {"cost_usd": 0.0625})
    booking._outbox._kept = None
    assert await booking.drain() == 0
    costs = {use.id: use.usd for use in books.booked}
    assert costs == {settled.id: 0.125, released.id: 0.0, told_late.id: 0.0625}


async def test_booking_goes_on_when_what_is_booked_could_not_be_kept(booking: DegradedMode, books: Books):
    failed = asyncio.Event()

    async def kept_but_once() -> None:
        if books.booked and not failed.is_set():
            failed.set()
            raise RuntimeError("there are open files")

    booking._outbox._kept = kept_but_once
    settling = asyncio.create_task(booking.keep_settling())
    await booking.keep(CALLER, work(0.5), 1.0, {"cost_usd": 0.25})
    await failed.wait()
    await booking.keep(CALLER, work(0.5), 1.0, {"cost_usd": 0.25})
    await until(lambda: len(books.booked) == 2)
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)


async def test_what_the_database_let_begin_is_noted_with_the_time_at_which_it_began(
    booking: DegradedMode, books: Books
):
    kept = work(0.5)
    await booking.keep(CALLER, kept, 90.0, {"cost_usd": 0.125})
    assert booking.unsettled == 1
    assert await booking.drain() == 0
    (use,) = books.booked
    assert (use.id, use.began_at, use.outcome) == (kept.id, NOON - timedelta(seconds=90), {"cost_usd": 0.125})
