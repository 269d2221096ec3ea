"""What one server lets callers do by itself, to the request and to the cent."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from functions import local_allowance
from functions.callers import Caller
from functions.failures import BudgetExceeded, DatabaseUnavailable, RateLimited
from functions.ledger import LateUse
from functions.local_allowance import LocalAllowance
from infra.operation_settings import DegradedSettings

SETTINGS = DegradedSettings(
    enabled=True,
    verified_within_s=60,
    requests_per_minute=6,
    allowance_usd=0.5,
    outbox_directory="unused",
    outbox_entries=4,
)
ANNA = Caller("anna", "", None, frozenset())
BY_KEY = replace(ANNA, key_id="a key")
BODO = replace(ANNA, user_id="bodo")


class Hand:
    """A clock that a test turns."""

    at = 1000.0

    def __call__(self) -> float:
        return self.at


def use(usd: float, number: int = 0, user_id: str = "anna", **outcome: Any) -> LateUse:
    return LateUse(
        id=str(number),
        user_id=user_id,
        key_id=None,
        began_at=datetime.now(UTC),
        work={"estimated_usd": usd},
        outcome=outcome or None,
    )


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def allowance(hand: Hand) -> LocalAllowance:
    return LocalAllowance(SETTINGS, clock=hand)


def test_what_is_left_and_when_it_is_whole_again(allowance: LocalAllowance, hand: Hand):
    allowance.verified(ANNA)
    states = [allowance.take(ANNA) for _ in range(2)]
    assert [(state.remaining, state.reset_s) for state in states] == [(5, 10.0), (4, 20.0)]
    assert (states[0].policy, states[0].quota, states[0].window_s) == ("degraded", 6, 60)
    hand.at += 15
    assert allowance.take(ANNA).remaining == 4, "one and a half came back"
    hand.at += 45
    assert allowance.take(ANNA).remaining == 5, "and never more than there were"


def test_one_that_is_refused_costs_nothing(allowance: LocalAllowance, hand: Hand):
    allowance.verified(ANNA)
    for _ in range(6):
        allowance.take(ANNA)
    for waited, rest in ((0, 10), (4, 6), (4, 2)):
        hand.at += waited
        with pytest.raises(RateLimited) as limited:
            allowance.take(ANNA)
        assert limited.value.retry_after_s == rest
    hand.at += 2
    assert allowance.take(ANNA).remaining == 0


def test_a_key_and_its_user_are_vouched_for_apart(allowance: LocalAllowance):
    allowance.verified(BY_KEY)
    assert allowance.take(BY_KEY).remaining == 5
    with pytest.raises(DatabaseUnavailable):
        allowance.take(ANNA)


def test_to_be_vouched_for_again_gives_time_and_no_requests(allowance: LocalAllowance, hand: Hand):
    allowance.verified(ANNA)
    for _ in range(6):
        allowance.take(ANNA)
    allowance.verified(ANNA)
    with pytest.raises(RateLimited):
        allowance.take(ANNA)
    hand.at += 60
    allowance.take(ANNA)
    hand.at += 1
    with pytest.raises(DatabaseUnavailable):
        allowance.take(ANNA)
    allowance.verified(ANNA)
    allowance.take(ANNA)


def test_of_many_callers_those_vouched_for_last_are_known(allowance: LocalAllowance, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(local_allowance, "CAPACITY", 2)
    for caller in (ANNA, BODO, ANNA, BY_KEY):
        allowance.verified(caller)
    allowance.take(ANNA)
    allowance.take(BY_KEY)
    with pytest.raises(DatabaseUnavailable):
        allowance.take(BODO)


def test_the_whole_allowance_may_be_held_and_no_more(allowance: LocalAllowance):
    allowance.hold(use(0.25, 1))
    allowance.hold(use(0.25, 2))
    with pytest.raises(BudgetExceeded) as refused:
        allowance.hold(use(0.125, 3))
    assert (refused.value.limit_usd, refused.value.spent_usd) == (0.5, 0.5)
    allowance.hold(use(0.5, 4, user_id="bodo"))
    allowance.noted(use(0.25, 1, cost_usd=0.125))
    allowance.hold(use(0.125, 3))
    allowance.settled(use(0.25, 2))
    allowance.hold(use(0.25, 5))
    for number in (1, 3, 5, 7):
        allowance.settled(use(0, number))
    assert allowance._unsettled == {"bodo": {"4": 0.5}}, "nobody is remembered who owes nothing"
