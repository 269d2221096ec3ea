"""Money and limits, through the real gateway: what is admitted, what it costs, and that nothing leaks."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from functions.api_keys import ApiKeys
from functions.callers import Caller
from functions.database import Database
from functions.failures import (
    BudgetExceeded,
    Conflict,
    DatabaseUnavailable,
    Forbidden,
    NotFound,
    RateLimited,
    Refused,
    TooManyAtOnce,
    Unauthenticated,
)
from functions.ledger import BudgetState, Ledger, Outcome
from functions.sessions import Session, SessionStore
from infra.settings import LimitSettings
from tests.data_fixtures import WIDE, People, work
from tests.database_fixtures import Stack, execute, fetch


def limited(ledger: Ledger, **limits: float) -> Ledger:
    return Ledger(ledger._database, ledger._acting, LimitSettings.model_validate({**WIDE.model_dump(), **limits}))


async def day(ledger: Ledger, caller: Caller) -> BudgetState:
    budgets = (await ledger.usage(caller)).budgets
    return next(budget for budget in budgets if budget.period == "day" and budget.key_id is None)


async def test_an_estimate_is_reserved_then_replaced_by_the_cost(ledger: Ledger, alice: Caller):
    reservation = await ledger.admit(alice, work(0.5))
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0.5, 0)
    await ledger.settle(alice, reservation.id, Outcome(0.125, prompt_tokens=10, completion_tokens=5, gpu_seconds=1.5))
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0.125)
    (today,) = (await ledger.usage(alice)).days
    assert (today.generations, today.prompt_tokens, today.completion_tokens, today.cost_usd) == (1, 10, 5, 0.125)


async def test_the_first_outcome_stands(ledger: Ledger, alice: Caller):
    reservation = await ledger.admit(alice, work(0.5))
    for cost in (0.125, 0.25):
        await ledger.settle(alice, reservation.id, Outcome(cost))
    await ledger.release(alice, reservation.id)
    assert (await day(ledger, alice)).spent_usd == 0.125


async def test_what_was_not_used_is_given_back(ledger: Ledger, alice: Caller):
    reservation = await ledger.admit(alice, work(0.5))
    await ledger.release(alice, reservation.id)
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0)
    assert (await ledger.usage(alice)).days == ()


async def test_what_costs_more_than_was_reserved_is_booked_in_full(ledger: Ledger, alice: Caller):
    reservation = await ledger.admit(alice, work(0.01))
    await ledger.settle(alice, reservation.id, Outcome(2.5))
    assert (await day(ledger, alice)).spent_usd == 2.5


@pytest.mark.parametrize(
    ("limits", "period"), [({"daily_budget_usd": 1.0}, "day"), ({"monthly_budget_usd": 1.0}, "month")]
)
async def test_a_budget_holds(ledger: Ledger, alice: Caller, bob: Caller, limits: dict[str, float], period: str):
    tight = limited(ledger, **limits)
    first = await tight.admit(alice, work(0.6))
    with pytest.raises(BudgetExceeded) as refused:
        await tight.admit(alice, work(0.6))
    assert (refused.value.period, refused.value.limit_usd, refused.value.spent_usd) == (period, 1.0, 0.6)
    await tight.admit(bob, work(0.6))
    await tight.settle(alice, first.id, Outcome(0.3))
    await tight.admit(alice, work(0.6))


async def test_of_100_at_once_no_more_pass_than_the_budget_covers(ledger: Ledger, alice: Caller):
    tight = limited(ledger, daily_budget_usd=1.0)  # 20 of 0.05
    outcomes = await asyncio.gather(*(tight.admit(alice, work(0.05)) for _ in range(100)), return_exceptions=True)
    admitted = [one for one in outcomes if not isinstance(one, BaseException)]
    assert len(admitted) == 20
    assert all(isinstance(one, BudgetExceeded) for one in outcomes if isinstance(one, BaseException))
    assert (await day(ledger, alice)).reserved_usd == 1.0
    settled = (tight.settle(alice, one.id, Outcome(0.01)) for one in admitted[:10])
    released = (tight.release(alice, one.id) for one in admitted[10:])
    await asyncio.gather(*settled, *released)
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0.1)


async def test_admitting_and_settling_at_once_never_goes_beyond_the_budget(ledger: Ledger, alice: Caller):
    tight = limited(ledger, daily_budget_usd=1.0)
    spent = []

    async def one() -> None:
        try:
            reservation = await tight.admit(alice, work(0.1))
        except BudgetExceeded:
            return
        assert (state := await day(tight, alice)).reserved_usd + state.spent_usd <= 1.0
        await tight.settle(alice, reservation.id, Outcome(0.09))
        spent.append(0.09)

    await asyncio.gather(*(one() for _ in range(60)))
    state = await day(ledger, alice)
    assert state.reserved_usd == 0
    assert state.spent_usd == pytest.approx(sum(spent))
    assert state.spent_usd <= 1.0


async def test_a_soft_limit_lets_through_and_says_so(ledger: Ledger, people: People, alice: Caller):
    operator = await people.new(operator=True)
    await ledger.set_budget(operator, period="day", hard_limit_usd=None, soft_limit_usd=0.5, user_id=alice.user_id)
    assert (await ledger.admit(alice, work(0.4))).soft_limits_crossed == ()
    (crossed,) = (await ledger.admit(alice, work(0.4))).soft_limits_crossed
    assert (crossed.period, crossed.of_key, crossed.limit_usd) == ("day", False, 0.5)


async def test_an_operators_limit_goes_before_the_default(ledger: Ledger, people: People, alice: Caller):
    operator = await people.new(operator=True)
    await ledger.set_budget(operator, period="day", hard_limit_usd=0.1, user_id=alice.user_id)
    with pytest.raises(BudgetExceeded):
        await ledger.admit(alice, work(0.2))
    for not_for_users in (
        ledger.set_budget(alice, period="day", hard_limit_usd=1e6),
        ledger.set_budget(alice, period="day", hard_limit_usd=1e6, user_id=operator.user_id),
    ):
        with pytest.raises(Forbidden):
            await not_for_users


async def test_a_key_has_a_budget_of_its_own_within_its_users(
    ledger: Ledger, data: Database, alice: Caller, bob: Caller
):
    key = await ApiKeys(data).create(alice, name="ci", scopes=["generate"])
    with_key = replace(alice, key_id=key.id)
    before = await ledger.admit(with_key, work(1))  # the key has no budget yet
    await ledger.set_budget(alice, period="month", hard_limit_usd=0.5, key_id=key.id)
    await ledger.settle(with_key, before.id, Outcome(1))
    await ledger.admit(with_key, work(0.4))
    with pytest.raises(BudgetExceeded) as refused:
        await ledger.admit(with_key, work(0.4))
    assert refused.value.limit_usd == 0.5
    await ledger.admit(alice, work(0.4))
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0.8, 1)
    with pytest.raises(NotFound):
        await ledger.set_budget(bob, period="month", hard_limit_usd=100, key_id=key.id)


async def test_a_bucket_runs_empty_and_says_when_to_come_back(ledger: Ledger, alice: Caller, bob: Caller):
    tight = limited(ledger, generations_per_minute=3)
    remaining = [(await tight.admit(alice, work())).limits[0].remaining for _ in range(3)]
    assert remaining == [2, 1, 0]
    with pytest.raises(RateLimited) as refused:
        await tight.admit(alice, work())
    error = refused.value
    assert (error.policy, error.quota, error.window_s, error.remaining) == ("generations", 3, 60, 0)
    assert 0 < error.retry_after_s <= 20
    assert (await day(ledger, alice)).reserved_usd == 0.03
    await tight.admit(bob, work())


async def test_a_bucket_fills_again_up_to_its_quota(ledger: Ledger, alice: Caller, stack: Stack):
    tight = limited(ledger, generations_per_minute=3)
    for _ in range(3):
        await tight.admit(alice, work())
    await execute(stack.dsn, "update public.rate_limits set updated_at = updated_at - interval '20 seconds'")
    assert (await tight.admit(alice, work())).limits[0].remaining == 0
    await execute(stack.dsn, "update public.rate_limits set updated_at = updated_at - interval '1 hour'")
    assert (await tight.admit(alice, work())).limits[0].remaining == 2


async def test_of_many_at_once_no_more_pass_than_the_bucket_holds(ledger: Ledger, alice: Caller):
    tight = limited(ledger, reads_per_minute=10)
    outcomes = await asyncio.gather(*(tight.take_read(alice) for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(one, RateLimited) for one in outcomes) in (29, 30)  # 1 comes back in 6 s


async def test_expensive_work_is_counted_by_the_hour_too(ledger: Ledger, alice: Caller):
    tight = limited(ledger, expensive_per_hour=1)
    states = (await tight.admit(alice, work(expensive=True))).limits
    assert [state.policy for state in states] == ["expensive", "generations"]
    with pytest.raises(RateLimited, match="expensive"):
        await tight.admit(alice, work(expensive=True))
    await tight.admit(alice, work())


async def test_tokens_are_taken_by_the_handful_and_the_last_ones_one_by_one(ledger: Ledger, alice: Caller):
    tight = limited(ledger, reads_per_minute=5)
    states = [await tight.take_read(alice, tokens=3) for _ in range(3)]
    assert [(state.taken, state.remaining) for state in states] == [(3, 2), (1, 1), (1, 0)]
    with pytest.raises(RateLimited):
        await tight.take_read(alice, tokens=3)


async def test_an_operator_gives_a_user_more(ledger: Ledger, data: Database, people: People, alice: Caller):
    tight = limited(ledger, reads_per_minute=1, concurrent_generations=1)
    operator = await people.new(operator=True)
    arguments = {"p_user_id": alice.user_id, "p_limits": {"reads": 3, "concurrent": 2}}
    with pytest.raises(Forbidden):
        await data.call("set_user_limits", arguments, token=alice.token)
    await data.call("set_user_limits", arguments, token=operator.token)
    for _ in range(3):
        await tight.take_read(alice)
    for _ in range(2):
        await tight.admit(alice, work())
    with pytest.raises(TooManyAtOnce):
        await tight.admit(alice, work())


async def test_so_many_at_once_and_no_more(ledger: Ledger, alice: Caller):
    tight = limited(ledger, concurrent_generations=5)
    outcomes = await asyncio.gather(*(tight.admit(alice, work()) for _ in range(30)), return_exceptions=True)
    admitted = [one for one in outcomes if not isinstance(one, BaseException)]
    assert len(admitted) == 5
    assert all(isinstance(one, TooManyAtOnce) for one in outcomes if isinstance(one, BaseException))
    await tight.release(alice, admitted[0].id)
    await tight.admit(alice, work())


async def test_a_reservation_whose_server_died_is_released(
    ledger: Ledger, alice: Caller, bob: Caller, data: Database, stack: Stack
):
    tight = limited(ledger, concurrent_generations=1, daily_budget_usd=1.0)
    lost = [await tight.admit(caller, work(1)) for caller in (alice, bob)]
    await execute(stack.dsn, "update public.generations set expires_at = now() - interval '1 second'")
    await tight.release(alice, (await tight.admit(alice, work(1))).id)
    with pytest.raises(Forbidden):
        await data.call("sweep_stale_reservations", token=alice.token)
    assert await data.call("sweep_stale_reservations", token=stack.service_role_key) == 1
    assert await data.call("sweep_stale_reservations", token=stack.service_role_key) == 0
    for caller in (alice, bob):
        assert (await day(ledger, caller)).reserved_usd == 0
    # A server that was only slow is heard all the same.
    await tight.settle(alice, lost[0].id, Outcome(0.25))
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0.25)


async def test_work_whose_reservation_a_crash_forgot_is_booked(
    ledger: Ledger, alice: Caller, bob: Caller, stack: Stack
):
    forgotten, released = await ledger.admit(alice, work(1)), await ledger.admit(alice, work(1))
    await execute(stack.dsn, "delete from public.generations; update public.budgets set reserved_usd = 0")
    for _ in range(2):
        await ledger.settle(alice, forgotten.id, Outcome(0.25))
    await ledger.release(alice, released.id)
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0.25)
    assert (await ledger.usage(alice)).days[0].generations == 1
    stolen = await ledger.admit(alice, work(1))
    with pytest.raises(NotFound):
        await ledger.settle(bob, stolen.id, Outcome(0))


async def test_a_new_period_begins_with_nothing_spent(ledger: Ledger, alice: Caller, stack: Stack):
    tight = limited(ledger, daily_budget_usd=1.0)
    yesterdays = await tight.admit(alice, work(1))
    await execute(stack.dsn, "update public.budgets set period_start = period_start - 1 where period = 'day'")
    await execute(stack.dsn, "update public.generations set created_at = created_at - interval '1 day'")
    assert (await day(ledger, alice)).reserved_usd == 0
    todays = await tight.admit(alice, work(1))
    await tight.settle(alice, yesterdays.id, Outcome(0.5))
    await tight.settle(alice, todays.id, Outcome(0.125))
    state = await day(ledger, alice)
    assert (state.reserved_usd, state.spent_usd) == (0, 0.125)


async def test_a_users_own_token_moves_no_money(ledger: Ledger, data: Database, alice: Caller, people: People):
    reservation = await ledger.admit(alice, work(1))
    own = Ledger(data, lambda caller: caller.token, WIDE)
    for attempt in (
        own.admit(alice, work(0)),
        own.settle(alice, reservation.id, Outcome(0)),
        own.release(alice, reservation.id),
        own.take_read(alice),
    ):
        with pytest.raises(Forbidden):
            await attempt
    with pytest.raises(Unauthenticated):
        await data.call("settle", {"p_id": reservation.id, "p_outcome": {"cost_usd": 0}})
    assert (await day(ledger, alice)).reserved_usd == 1


async def test_nobody_settles_for_another(ledger: Ledger, alice: Caller, bob: Caller):
    reservation = await ledger.admit(alice, work(1))
    for stranger_or_bad_id in ((bob, reservation.id), (alice, str(uuid.uuid4())), (alice, "x")):
        with pytest.raises(NotFound):
            await ledger.settle(*stranger_or_bad_id, Outcome(0))
    assert (await ledger.usage(bob)).days == ()


async def test_work_names_its_session_before_or_after(
    ledger: Ledger, sessions: SessionStore, session: Session, alice: Caller, bob: Caller
):
    with pytest.raises(NotFound, match="session"):
        await ledger.admit(bob, work(session_id=session.id))
    before = await ledger.admit(alice, work(session_id=session.id))
    after = await ledger.admit(alice, work())
    await ledger.settle(alice, before.id, Outcome(1))
    await ledger.settle(alice, after.id, Outcome(1, session_id=session.id))
    await sessions.delete(alice, session.id)
    assert (await ledger.usage(alice)).days[0].cost_usd == 2  # the books outlive the session


async def test_one_reservation_an_id(ledger: Ledger, alice: Caller):
    once = work()
    await ledger.admit(alice, once)
    with pytest.raises(Conflict):
        await ledger.admit(alice, once)


@pytest.mark.parametrize("usd", [-1.0, 1e30])
async def test_an_estimate_that_is_no_amount_is_refused(ledger: Ledger, alice: Caller, usd: float):
    with pytest.raises((Refused, BudgetExceeded)):
        await ledger.admit(alice, work(usd))


async def test_an_admission_that_arrives_after_it_was_given_up_reserves_nothing(
    ledger: Ledger, data: Database, stack: Stack, alice: Caller
):
    """The client has heard nothing and gives back what may have been reserved; then the admission gets through."""
    await ledger.release(alice, (await ledger.admit(alice, work(0))).id)
    nowhere = Database("http://127.0.0.1:9", stack.anon_key)
    cut_off = Ledger(nowhere, ledger._acting, WIDE)
    late = work(5)
    with pytest.raises(DatabaseUnavailable):
        await cut_off.admit(alice, late)
    await nowhere.close()
    cut_off._database = data
    await cut_off.release(alice, late.id)
    with pytest.raises(Conflict):
        await ledger.admit(alice, late)
    assert all(budget.reserved_usd == 0 for budget in (await ledger.usage(alice)).budgets)
    assert not cut_off._under_way


async def test_an_answer_is_an_event_with_its_latency_and_none_of_its_sessions_feed(
    ledger: Ledger, sessions: SessionStore, session: Session, stack: Stack, alice: Caller
):
    reservation = await ledger.admit(alice, work(0))
    outcome = Outcome(0.1, latency_s=1.5, time_to_first_token_s=0.2, finish_reason="stop", session_id=session.id)
    for _ in range(2):
        await ledger.settle(alice, reservation.id, outcome)
    await ledger.release(alice, (await ledger.admit(alice, work(0))).id)
    rows = await fetch(stack.dsn, "select * from public.analytics_events where event_type like 'answer.%'")
    assert [(row["event_type"], row["latency_ms"], str(row["session_id"])) for row in rows] == [
        ("answer.generate", 1500.0, session.id)
    ]
    assert str(rows[0]["user_id"]) == alice.user_id
    assert [event.type for event in await sessions.events(alice, session.id)] == ["session.created"]


async def test_many_keys_at_once_spend_no_more_than_their_user_has(ledger: Ledger, data: Database, alice: Caller):
    tight = limited(ledger, daily_budget_usd=1.0)  # 20 of 0.05
    keys = [await ApiKeys(data).create(alice, name=str(number), scopes=["generate"]) for number in range(5)]
    callers = [replace(alice, key_id=key.id) for key in keys]
    asked = (tight.admit(caller, work(0.05)) for caller in callers for _ in range(10))
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert len([one for one in outcomes if not isinstance(one, BaseException)]) == 20
    assert all(isinstance(one, BudgetExceeded) for one in outcomes if isinstance(one, BaseException))
