"""What the books say of a piece of work, and what the ledger itself remembers of it."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions import ledger as ledger_module
from functions.api_keys import ApiKeys
from functions.callers import Caller
from functions.database import Database
from functions.failures import BudgetExceeded, DatabaseUnavailable, NotFound, TooManyAtOnce
from functions.ledger import LateUse, Ledger, Outcome, Work
from functions.sessions import Session
from infra.settings import LimitSettings
from tests.answering_database import answering
from tests.data_fixtures import WIDE, People, work
from tests.database_fixtures import Stack, execute, fetch


async def test_all_that_is_known_of_the_work_is_in_the_books(
    ledger: Ledger, data: Database, stack: Stack, session: Session, alice: Caller
):
    key = await ApiKeys(data).create(alice, name="ci", scopes=["generate"])
    asked = Work(
        endpoint="forward", environment="production", model="a-model", gpu="H100", estimated_usd=0.5, expires_in_s=120,
        session_id=session.id, trace_id="a" * 32,
    )  # fmt: skip
    with_key = replace(alice, key_id=key.id)
    await ledger.admit(with_key, asked)
    outcome = Outcome(
        0.25, prompt_tokens=1, cached_tokens=2, completion_tokens=3, gpu_seconds=4.5, latency_s=5.5,
        time_to_first_token_s=6.5, finish_reason="length", cache_hit=True, error="GenerationTimeout",
    )  # fmt: skip
    await ledger.settle(with_key, asked.id, outcome)
    (row,) = await fetch(stack.dsn, "select *, expires_at - created_at as patience from public.generations")
    assert (str(row["id"]), str(row["user_id"]), str(row["key_id"])) == (asked.id, alice.user_id, key.id)
    assert str(row["session_id"]) == session.id
    for name in ("endpoint", "environment", "model", "gpu", "trace_id"):
        assert row[name] == getattr(asked, name)
    assert (float(row["estimated_usd"]), row["patience"]) == (0.5, timedelta(seconds=120))
    for name in (
        "prompt_tokens", "cached_tokens", "completion_tokens", "gpu_seconds", "latency_s", "time_to_first_token_s",
        "finish_reason", "cache_hit", "error",
    ):  # fmt: skip
        assert row[name] == getattr(outcome, name), name
    assert (row["state"], float(row["cost_usd"])) == ("settled", 0.25)


async def test_work_that_has_used_nothing_says_why(ledger: Ledger, stack: Stack, alice: Caller):
    reserved = await ledger.admit(alice, work(0.5))
    await ledger.release(alice, reserved.id, error="EngineUnavailable")
    (row,) = await fetch(stack.dsn, "select state, cost_usd, error from public.generations")
    assert (row["state"], float(row["cost_usd"]), row["error"]) == ("released", 0, "EngineUnavailable")


async def test_late_use_is_booked_when_it_was_and_on_whose_key_and_once(
    ledger: Ledger, data: Database, stack: Stack, alice: Caller
):
    key = await ApiKeys(data).create(alice, name="ci", scopes=["generate"])
    described = {name: value for name, value in vars(work(0.5)).items() if name != "id"}
    use = LateUse(
        id=str(uuid.uuid4()), user_id=alice.user_id, key_id=key.id, began_at=datetime.now(UTC) - timedelta(hours=3),
        work=described, outcome={"cost_usd": 0.25, "completion_tokens": 7, "latency_s": 2.0},
    )  # fmt: skip
    for _ in range(2):
        await ledger.settle_late(use)
    (row,) = await fetch(stack.dsn, "select * from public.generations")
    assert (str(row["id"]), str(row["key_id"]), row["created_at"]) == (use.id, key.id, use.began_at)
    assert (float(row["cost_usd"]), row["completion_tokens"], row["state"]) == (0.25, 7, "settled")
    with pytest.raises(NotFound):
        await ledger.settle_late(use.model_copy(update={"id": "none"}))


async def test_how_work_ended_is_told_again_when_the_connection_breaks_and_that_it_begins_is_not(alice: Caller):
    described = {name: value for name, value in vars(work(0.5)).items() if name != "id"}
    late = LateUse(
        id=str(uuid.uuid4()), user_id=alice.user_id, key_id=None, began_at=datetime.now(UTC), work=described,
        outcome={"cost_usd": 0.25},
    )  # fmt: skip
    async with answering(lambda n: None if n % 2 else (200, b"[]")) as (database, requests):
        ledger = Ledger(database, lambda _caller: "", WIDE)
        await ledger.settle(alice, late.id, Outcome(0.25))
        await ledger.settle_many(alice, [])
        await ledger.release(alice, late.id)
        await ledger.settle_late(late)
        assert len(requests) == 8
        with pytest.raises(DatabaseUnavailable):
            await ledger.admit(alice, work(0.5))
        assert len(requests) == 9


async def test_the_work_that_is_under_way_is_remembered_until_it_is_told_how_it_ended(ledger: Ledger, alice: Caller):
    settled, released, late = [await ledger.admit(alice, work()) for _ in range(3)]
    assert [*ledger._under_way] == [settled.id, released.id, late.id]
    await ledger.settle(alice, settled.id, Outcome(0))
    await ledger.release(alice, released.id)
    assert [*ledger._under_way] == [late.id]
    described = ledger._under_way[late.id]
    await ledger.settle_late(
        LateUse(
            id=late.id,
            user_id=alice.user_id,
            key_id=None,
            began_at=datetime.now(UTC),
            work=described,
            outcome={"cost_usd": 0},
        )
    )
    assert not ledger._under_way


async def test_work_that_was_refused_is_not_remembered(ledger: Ledger, alice: Caller):
    limits = WIDE.model_dump() | {"concurrent_generations": 1}
    tight = Ledger(ledger._database, ledger._acting, LimitSettings.model_validate(limits))
    running = await tight.admit(alice, work())
    with pytest.raises(TooManyAtOnce):
        await tight.admit(alice, work())
    assert [*tight._under_way] == [running.id]


async def test_of_work_that_nobody_ends_the_latest_is_remembered(
    ledger: Ledger, alice: Caller, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ledger_module, "MOST_UNDER_WAY", 2)
    _, *latest = [(await ledger.admit(alice, work())).id for _ in range(3)]
    assert [*ledger._under_way] == latest


async def test_a_soft_and_a_hard_limit_are_what_they_were_called(
    ledger: Ledger, data: Database, people: People, alice: Caller
):
    operator = await people.new(operator=True)
    key = await ApiKeys(data).create(alice, name="ci", scopes=["generate"])
    await ledger.set_budget(operator, period="month", hard_limit_usd=0.75, soft_limit_usd=0.5, user_id=alice.user_id)
    await ledger.set_budget(alice, period="day", hard_limit_usd=0.5, soft_limit_usd=0.25, key_id=key.id)
    found = {(each.key_id, each.period): each for each in (await ledger.usage(alice)).budgets}
    of_user, of_key = found[None, "month"], found[key.id, "day"]
    assert (of_user.soft_limit_usd, of_user.hard_limit_usd) == (0.5, 0.75)
    assert (of_key.soft_limit_usd, of_key.hard_limit_usd) == (0.25, 0.5)
    (crossed,) = (await ledger.admit(replace(alice, key_id=key.id), work(0.3))).soft_limits_crossed
    assert (crossed.period, crossed.of_key, crossed.limit_usd) == ("day", True, 0.25)
    with pytest.raises(BudgetExceeded):
        await ledger.admit(alice, work(0.5))
    for unknown in ({"user_id": "nobody"}, {"key_id": "none"}):
        with pytest.raises(NotFound):
            await ledger.set_budget(operator, period="day", hard_limit_usd=1, **unknown)


async def test_usage_goes_back_as_many_days_as_were_asked_for(ledger: Ledger, stack: Stack, alice: Caller):
    for days in (0, 3, 40):
        reserved = await ledger.admit(alice, work())
        await ledger.settle(alice, reserved.id, Outcome(1, prompt_tokens=days))
        statement = "update public.generations set created_at = created_at - make_interval(days => $1) where id = $2"
        await execute(stack.dsn, statement, days, uuid.UUID(reserved.id))
    for asked, found in ((1, 1), (3, 1), (4, 2), (50, 3)):
        assert len((await ledger.usage(alice, days=asked)).days) == found
    assert len((await ledger.usage(alice)).days) == 2
