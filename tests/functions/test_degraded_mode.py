"""What one server lets callers do by itself: for how long, how often, and for how much."""

import shutil
from pathlib import Path

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.degraded_mode import BELIEVED_AWAY_S, DegradedMode
from functions.failures import BudgetExceeded, DatabaseUnavailable, RateLimited
from functions.ledger import Ledger, Outcome
from functions.usage_outbox import UsageOutbox
from infra.operation_settings import DegradedSettings
from infra.settings import Settings
from tests.data_fixtures import work

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
