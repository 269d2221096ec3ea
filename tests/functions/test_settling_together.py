"""Settling in one call: each for itself, in the end as if they had been settled one after another."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.api_keys import ApiKeys
from functions.callers import Caller
from functions.database import Database
from functions.failures import Forbidden, NotFound, Refused, Unauthenticated
from functions.ledger import MOST_TOGETHER, Ledger, Outcome
from tests.data_fixtures import WIDE, People, work
from tests.database_fixtures import Stack, fetch

RECORDED = (
    "select id, key_id is null, state, cost_usd, prompt_tokens, cached_tokens, completion_tokens, gpu_seconds,"
    " latency_s, time_to_first_token_s, finish_reason, cache_hit, error, prompts, endpoint, estimated_usd"
    " from public.generations"
)


async def booked(ledger: Ledger, caller: Caller) -> list[tuple[bool, float, float]]:
    budgets = (await ledger.usage(caller)).budgets
    return sorted((one.key_id is not None, one.spent_usd, one.reserved_usd) for one in budgets)


async def test_one_that_cannot_be_settled_takes_no_other_with_it(ledger: Ledger, alice: Caller, bob: Caller):
    mine = [(await ledger.admit(alice, work(0.5))).id for _ in range(4)]
    theirs = (await ledger.admit(bob, work(0.5))).id
    outcomes = [
        (mine[0], Outcome(0.125)),
        (str(uuid.uuid4()), Outcome(1)),
        (mine[1], Outcome(0.25, prompt_tokens=10**12)),
        (theirs, Outcome(1)),
        (mine[2], Outcome(0.5)),
    ]
    failures = await ledger.settle_many(alice, outcomes)
    assert [type(failure) for failure in failures] == [type(None), NotFound, Refused, NotFound, type(None)]
    assert await booked(ledger, alice) == [(False, 0.625, 1.0), (False, 0.625, 1.0)]
    assert await booked(ledger, bob) == [(False, 0, 0.5), (False, 0, 0.5)]
    # What failed may be settled rightly after that, and is remembered until then.
    assert set(ledger._under_way) == {mine[1], mine[3], theirs}
    assert await ledger.settle_many(alice, [(mine[1], Outcome(0.125))]) == [None]


async def test_the_first_outcome_stands(ledger: Ledger, alice: Caller):
    ids = [(await ledger.admit(alice, work(0.5))).id for _ in range(3)]
    await ledger.settle(alice, ids[0], Outcome(0.125))
    for cost in (0.25, 0.5):
        assert await ledger.settle_many(alice, [(one, Outcome(cost)) for one in (*ids, ids[1])]) == [None] * 4
    await ledger.release(alice, ids[2])
    assert await booked(ledger, alice) == [(False, 0.625, 0), (False, 0.625, 0)]


async def test_what_no_database_can_read_fails_the_call_and_books_nothing(ledger: Ledger, alice: Caller):
    ids = [(await ledger.admit(alice, work(0.5))).id for _ in range(2)]
    for unreadable in ("\0", "\ud800"):
        with pytest.raises(Refused):
            await ledger.settle_many(alice, [(ids[0], Outcome(1)), (ids[1], Outcome(1, error=unreadable))])
    too_many = [(str(uuid.uuid4()), Outcome(0))] * MOST_TOGETHER
    assert {type(failure) for failure in await ledger.settle_many(alice, too_many)} == {NotFound}
    with pytest.raises(Refused, match="more than 60"):
        await ledger.settle_many(alice, too_many * 2)
    assert await booked(ledger, alice) == [(False, 0, 1.0), (False, 0, 1.0)]


async def test_it_is_for_the_server_alone(ledger: Ledger, data: Database, alice: Caller):
    reservation = await ledger.admit(alice, work(1))
    own = Ledger(data, lambda caller: caller.token, WIDE)
    with pytest.raises(Forbidden):
        await own.settle_many(alice, [(reservation.id, Outcome(0))])
    with pytest.raises(Unauthenticated):
        await data.call("settle_many", {"p_settlements": [{"id": reservation.id, "outcome": {"cost_usd": 0}}]})


OUTCOMES = st.builds(
    Outcome,
    cost_usd=st.integers(0, 64).map(lambda n: n / 64),
    prompt_tokens=st.integers(0, 2**31),  # one more than fits
    completion_tokens=st.integers(0, 1000),
    gpu_seconds=st.floats(0, 1e6),
    time_to_first_token_s=st.none() | st.floats(0, 10),
    finish_reason=st.none() | st.sampled_from(["stop", "length", "abort"]),
    cache_hit=st.booleans(),
    error=st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    prompts=st.just(()) | st.just(({"version": "v", "outcome": "made", "tokens": 1, "seconds": 0.5},)),
)
STEPS = st.lists(st.tuples(st.integers(0, 5), OUTCOMES), min_size=1, max_size=12)
"""Which of six reservations, and what came of it: some are never settled, some more than once."""


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, keyed=st.sets(st.integers(0, 5)), forgotten=st.sets(st.integers(0, 5)))
async def test_together_or_one_by_one_it_comes_to_the_same(
    ledger: Ledger, people: People, data: Database, stack: Stack, steps: Any, keyed: set[int], forgotten: set[int]
):
    """Two users do the same, with and without a key that has a budget; some reservations are lost in a crash."""
    records, budgets, failures = [], [], []
    for together in (True, False):
        caller = await people.new()
        made = await ApiKeys(data).create(caller, name="k", scopes=("generate",))
        with_key = replace(caller, key_id=made.id)
        await ledger.set_budget(caller, period="day", hard_limit_usd=500, key_id=made.id)
        ids = [(await ledger.admit(with_key if n in keyed else caller, work(0.25))).id for n in range(6)]
        for lost in forgotten:
            await fetch(stack.dsn, "delete from public.generations where id = $1", uuid.UUID(ids[lost]))
        outcomes = [(ids[number], outcome) for number, outcome in steps]
        if together:
            kinds = [type(failure) for failure in await ledger.settle_many(caller, outcomes)]
        else:
            kinds = []
            for reservation, outcome in outcomes:
                try:
                    await ledger.settle(caller, reservation, outcome)
                except Refused:
                    kinds.append(Refused)
                else:
                    kinds.append(type(None))
        failures.append(kinds)
        rows = await fetch(stack.dsn, RECORDED)
        records.append(sorted((ids.index(str(row[0])), *map(str, row[1:])) for row in rows if str(row[0]) in ids))
        budgets.append(await booked(ledger, caller))
    assert records[0] == records[1]
    assert budgets[0] == budgets[1]
    assert failures[0] == failures[1]
