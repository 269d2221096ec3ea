"""Handfuls: as many requests pass as the bucket holds, and the database is asked for few of them."""

import asyncio
import json

import pytest

from functions import read_limits
from functions.callers import Caller
from functions.database import Database
from functions.failures import DatabaseUnavailable, RateLimited
from functions.ledger import Ledger, RateState
from functions.read_limits import KEPT_S, SLOW_S, ReadLimits
from tests.answering_database import Answer, answering
from tests.data_fixtures import WIDE, People


class Counting(Ledger):
    """The real ledger, with a count of what it was asked."""

    asked = 0

    async def take_read(self, caller: Caller, *, tokens: int = 1) -> RateState:
        self.asked += 1
        return await super().take_read(caller, tokens=tokens)


def ledger_of(data: Database, people: People, quota: int) -> Counting:
    return Counting(data, people.acting, WIDE.model_copy(update={"reads_per_minute": quota}))


async def test_of_many_requests_at_once_on_two_servers_no_more_pass_than_the_bucket_holds(
    data: Database, people: People, alice: Caller
):
    ledgers = [ledger_of(data, people, 100) for _ in range(2)]
    servers = [ReadLimits(ledger, 100) for ledger in ledgers]
    outcomes = await asyncio.gather(*(servers[number % 2].take(alice) for number in range(150)), return_exceptions=True)
    passed = [outcome for outcome in outcomes if isinstance(outcome, RateState)]
    assert 100 <= len(passed) <= 110  # the bucket fills meanwhile: a token in 0.6 s
    assert all(isinstance(outcome, RateLimited) for outcome in outcomes if not isinstance(outcome, RateState))
    assert sum(ledger.asked for ledger in ledgers) < 100


async def test_the_database_is_asked_once_for_a_handful_and_what_is_left_counts_down(
    data: Database, people: People, alice: Caller
):
    ledger = ledger_of(data, people, 100)
    limits = ReadLimits(ledger, 100)
    assert [(await limits.take(alice)).remaining for _ in range(5)] == [99, 98, 97, 96, 95]
    assert ledger.asked == 1
    await limits.take(alice)
    assert ledger.asked == 2


async def test_a_small_quota_is_exact(data: Database, people: People, alice: Caller, bob: Caller):
    limits = ReadLimits(ledger_of(data, people, 2), 2)
    for _ in range(2):
        await limits.take(alice)
    with pytest.raises(RateLimited):
        await limits.take(alice)
    await limits.take(bob)


async def test_what_lay_about_is_not_given_out(data: Database, people: People, alice: Caller):
    now = 0.0
    ledger = ledger_of(data, people, 100)
    limits = ReadLimits(ledger, 100, clock=lambda: now)
    await limits.take(alice)
    now = KEPT_S
    await limits.take(alice)
    assert ledger.asked == 2


async def test_a_handful_is_a_twentieth_of_the_quota_and_never_more_than_ten(
    data: Database, people: People, alice: Caller, bob: Caller
):
    for caller, quota, handful in ((alice, 60, 3), (bob, 900, 10)):
        ledger = ledger_of(data, people, quota)
        limits = ReadLimits(ledger, quota)
        for _ in range(handful):
            await limits.take(caller)
        assert ledger.asked == 1
        await limits.take(caller)
        assert ledger.asked == 2


async def test_of_many_users_those_that_came_last_are_remembered(
    data: Database, people: People, alice: Caller, bob: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(read_limits, "CAPACITY", 2)
    ledger = ledger_of(data, people, 100)
    limits = ReadLimits(ledger, 100)
    carol = await people.new()
    for caller in (alice, bob, alice, carol, alice):
        await limits.take(caller)
    assert ledger.asked == 3
    await limits.take(bob)
    assert ledger.asked == 4


@pytest.mark.parametrize(("taking_s", "failing"), [(SLOW_S, 20), (0.0, 1)])
async def test_who_has_waited_for_a_database_that_fails_slowly_does_not_ask_it_again(
    data: Database, people: People, alice: Caller, taking_s: float, failing: int
):
    state = await ledger_of(data, people, 100).take_read(alice)
    now = 0.0

    def answer(number: int) -> Answer:
        nonlocal now
        if number == 1:
            now += taking_s
            return None
        return 200, json.dumps({"limits": [state.model_dump(mode="json") | {"taken": 5}]}).encode()

    async with answering(answer) as (database, requests):
        limits = ReadLimits(ledger_of(database, people, 100), 100, clock=lambda: now)
        outcomes = await asyncio.gather(*(limits.take(alice) for _ in range(20)), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes[:failing]] == [DatabaseUnavailable] * failing
        assert [type(outcome) for outcome in outcomes[failing:]] == [RateState] * (20 - failing)
        assert len(requests) == 1 + (20 - failing + 4) // 5
        assert isinstance(await limits.take(alice), RateState)  # who comes afterwards finds out how it is by then
