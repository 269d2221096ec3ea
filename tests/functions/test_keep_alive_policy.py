"""What the learned policy decides, told by stories; and what holds of it whatever has happened."""

import random
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.keep_alive import LONGEST_S, SHORTEST_S, Decision, KeepAlive, Terms, decide
from functions.keep_alive_demand import Arrival, Prices
from infra.settings import WarmHours, load_settings

MONDAY = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
PRODUCTION = Terms.of(load_settings("production"))
WORK_S = 3.0
WEEKS = 4 * 7 * DAY


def terms(*, cold_s: float = 10, at_least: int = 0, usd_per_hour: float = 2.5, **settings: Any) -> Terms:
    prices = Prices(usd_per_hour / 3600, 0.01, cold_s)
    keep_alive = PRODUCTION.settings.model_copy(update=settings)
    return replace(PRODUCTION, prices=prices, settings=keep_alive, at_least=at_least)


def worked(moments: Iterable[float]) -> list[Arrival]:
    return [Arrival(at, at + WORK_S) for at in sorted(moments)]


def poisson(every_s: float, length_s: float = WEEKS, seed: int = 7) -> list[float]:
    rng, at, moments = random.Random(seed), MONDAY, []
    while (at := at + rng.expovariate(1 / every_s)) < MONDAY + length_s:
        moments.append(at)
    return moments


def test_while_data_are_few_the_timetable_is_followed_with_a_window_at_which_idling_costs_a_cold_start():
    arrivals = worked(MONDAY + 9 * HOUR + n * 20 * MINUTE for n in range(12))
    hours = WarmHours(days=[0], from_hour=8, until_hour=18, containers=2)
    decision = decide(arrivals, MONDAY + 13 * HOUR, terms(warm_hours=[hours]))
    assert (decision.min_containers, decision.scaledown_window_s) == (2, 154)
    assert decision.why == "the timetable, as 11 idle times are too few to learn from: 2 warm at this hour (UTC)"
    assert decide([], MONDAY, terms()).min_containers == 0


def test_a_timetable_that_is_asked_for_is_followed_whatever_was_seen():
    hours = WarmHours(days=[0], from_hour=0, until_hour=1, containers=1)
    decision = decide(worked(poisson(HOUR)), MONDAY + WEEKS, terms(policy="timetable", warm_hours=[hours]))
    assert decision == Decision(1, 300, "the timetable: 1 warm at this hour (UTC)")


def test_nobody_waits_idle_for_requests_that_are_rare_and_never_announced():
    decision = decide(worked(poisson(HOUR)), MONDAY + WEEKS, terms())
    assert (decision.min_containers, decision.scaledown_window_s) == (0, SHORTEST_S)
    assert decision.why.startswith("2 s of idling: ")


def test_an_engine_that_is_wanted_all_the_time_stays():
    busy = decide(worked(poisson(MINUTE, DAY)), MONDAY + DAY, terms())
    assert busy.scaledown_window_s >= 300
    # Half an hour is usual, and a cold start costs as much as three quarters of an hour.
    slow = decide(worked(poisson(30 * MINUTE)), MONDAY + WEEKS, terms(cold_s=180))
    assert slow.min_containers == 1
    assert slow.why.startswith("always warm: ")


def test_it_waits_for_the_next_request_of_a_session_and_not_for_the_next_session():
    rng = random.Random(1)
    starts = (MONDAY + n * 40 * MINUTE + rng.random() * 10 * MINUTE for n in range(300))
    arrivals = worked(start + step * 40 for start in starts for step in range(4))
    decision = decide(arrivals, MONDAY + 300 * 40 * MINUTE, terms())
    assert decision.min_containers == 0
    assert 37 <= decision.scaledown_window_s <= 60


def test_a_cold_start_in_which_many_wait_is_worth_longer_idling():
    def window(crowd: int) -> int:
        arrivals = worked(start + n * 0.01 for start in poisson(10 * MINUTE) for n in range(crowd))
        decision = decide(arrivals, MONDAY + WEEKS, terms())
        return LONGEST_S if decision.min_containers else decision.scaledown_window_s

    assert window(1) == SHORTEST_S
    assert window(30) == LONGEST_S


def decisions_of_a_day(arrivals: list[Arrival], day: float, by: Terms) -> dict[float, Decision]:
    """Minutes from the day's beginning at which an engine is kept warm, with what is said then."""
    policy, place, found = KeepAlive(by), 0, {}
    for tick in range(int(day), int(day + DAY), 300):
        while place < len(arrivals) and arrivals[place].at < tick:
            policy.add(arrivals[place])
            place += 1
        decision = policy.decide(tick)
        if decision.min_containers:
            found[(tick - day) / MINUTE] = decision
    return found


def test_a_timer_is_expected_and_nothing_is_kept_warm_in_between():
    arrivals = worked(MONDAY + 2 * MINUTE + n * HOUR for n in range(24 * 21))
    warm = decisions_of_a_day(arrivals, MONDAY + 20 * DAY, terms(cold_s=60))
    assert set(warm) == {n * 60.0 for n in range(24)}
    assert warm[60].why == "warm ahead: a request comes within 5 min in 100% of idle times as long as this one"


def test_the_mornings_are_known_by_the_clock_and_weekends_are_not_working_days():
    rng = random.Random(2)
    mornings = [MONDAY + day * DAY + 7 * HOUR + rng.uniform(60, 120) for day in range(42) if day % 7 < 5]
    later = [MONDAY + day * DAY + rng.uniform(10, 16) * HOUR for day in range(42) if day % 7 < 5 for _ in range(4)]
    by = terms(cold_s=60)
    working_day = decisions_of_a_day(worked([*mornings, *later]), MONDAY + 38 * DAY, by)
    assert 420.0 in working_day
    assert "of other days at this time" in working_day[420.0].why
    assert not [minute for minute in working_day if minute < 415]
    assert not decisions_of_a_day(worked([*mornings, *later]), MONDAY + 40 * DAY, by)


def test_a_morning_is_one_by_local_time():
    berlin = ZoneInfo("Europe/Berlin")
    rng = random.Random(3)
    first = datetime(2026, 3, 2, 7, 1, 30, tzinfo=berlin)  # summer time begins on the 29th
    mornings = [(first + timedelta(days=day)).timestamp() for day in range(40) if day % 7 < 5]
    later = [at + rng.uniform(3, 9) * HOUR for at in mornings for _ in range(4)]
    tuesday = datetime(2026, 3, 31, tzinfo=berlin).timestamp()
    warm = decisions_of_a_day(worked([*mornings, *later]), tuesday, terms(cold_s=60, timezone="Europe/Berlin"))
    assert 420.0 in warm
    assert not [minute for minute in warm if minute < 415]


def test_what_is_long_ago_counts_less():
    rare = poisson(HOUR, WEEKS)
    since = [at + WEEKS for at in poisson(MINUTE, 2 * DAY)]
    assert decide(worked([*rare, *since]), MONDAY + WEEKS + 2 * DAY, terms()).scaledown_window_s >= 300


def test_an_engine_that_costs_nothing_is_not_stopped():
    assert decide(worked(poisson(HOUR)), MONDAY + WEEKS, terms(usd_per_hour=0)).scaledown_window_s == LONGEST_S


arrival_lists = st.lists(st.tuples(st.floats(0.001, 2 * DAY), st.floats(0, 100)), max_size=60).map(
    lambda pairs: [
        Arrival(at, at + work)
        for at, work in zip(
            (MONDAY + sum(gap for gap, _ in pairs[: n + 1]) for n in range(len(pairs))),
            (work for _, work in pairs),
            strict=True,
        )
    ]
)
any_terms = st.builds(
    terms,
    cold_s=st.sampled_from([1.0, 10.0, 30.0, 180.0]),
    at_least=st.sampled_from([0, 0, 2]),
    usd_per_hour=st.sampled_from([0.0, 0.3, 2.5]),
    few_idle_times=st.sampled_from([1, 12]),
    daily_warm_budget_usd=st.sampled_from([0.0, 1.0, 60.0]),
    policy=st.sampled_from(["learned", "learned", "timetable"]),
)


def after(arrivals: list[Arrival]) -> float:
    return (arrivals[-1].at if arrivals else MONDAY) + 100


@given(arrival_lists, any_terms, st.floats(0, 100))
def test_a_decision_can_be_told_to_modal_and_has_a_reason_of_one_line(
    arrivals: list[Arrival], by: Terms, idle_usd: float
):
    decision = decide(arrivals, after(arrivals), by, idle_usd_today=idle_usd)
    assert SHORTEST_S <= decision.scaledown_window_s <= LONGEST_S
    assert decision.min_containers >= by.at_least
    assert decision.why
    assert "\n" not in decision.why
    assert len(decision.why) <= 1000


@given(arrival_lists, any_terms)
def test_it_depends_on_arrivals_alone_and_not_on_when_it_was_asked_before(arrivals: list[Arrival], by: Terms):
    policy = KeepAlive(by)
    for arrival in arrivals:
        policy.decide(arrival.at)
        policy.add(arrival)
    assert policy.decide(after(arrivals)) == decide(arrivals, after(arrivals), by)


@given(arrival_lists, any_terms, st.integers(1, 5))
def test_the_same_weeks_later_is_the_same(arrivals: list[Arrival], by: Terms, weeks: int):
    shift = weeks * 7 * DAY
    rounded = [Arrival(round(a.at), round(a.at) + round(a.done - a.at)) for a in arrivals]
    moved = [Arrival(a.at + shift, a.done + shift) for a in rounded]
    now = round(after(arrivals))
    assert decide(moved, now + shift, by) == decide(rounded, now, by)


@given(arrival_lists, any_terms)
def test_what_is_spent_is_not_spent_again(arrivals: list[Arrival], by: Terms):
    spent = decide(arrivals, after(arrivals), by, idle_usd_today=by.settings.daily_warm_budget_usd)
    free = decide(arrivals, after(arrivals), by)
    if by.prices.warm_usd_per_s:
        assert (spent.min_containers, spent.scaledown_window_s) == (by.at_least, SHORTEST_S)
    else:
        assert spent == free


@given(arrival_lists, any_terms, st.floats(0, 70), st.floats(0, 70))
def test_less_budget_never_keeps_more_warm(arrivals: list[Arrival], by: Terms, one: float, other: float):
    little, much = (
        decide(arrivals, after(arrivals), by, idle_usd_today=spent) for spent in sorted((one, other), reverse=True)
    )
    assert little.min_containers <= much.min_containers
    assert little.scaledown_window_s <= much.scaledown_window_s


@given(arrival_lists, any_terms)
def test_money_has_no_unit(arrivals: list[Arrival], by: Terms):
    prices = replace(
        by.prices, warm_usd_per_s=4 * by.prices.warm_usd_per_s, waited_usd_per_s=4 * by.prices.waited_usd_per_s
    )
    settings = by.settings.model_copy(update={"daily_warm_budget_usd": 4 * by.settings.daily_warm_budget_usd})
    dearer = decide(arrivals, after(arrivals), replace(by, prices=prices, settings=settings))
    decision = decide(arrivals, after(arrivals), by)
    assert (dearer.min_containers, dearer.scaledown_window_s) == (decision.min_containers, decision.scaledown_window_s)


@pytest.mark.parametrize("cold_s", [10.0, 30.0])
def test_the_reason_names_what_else_it_would_have_cost(cold_s: float):
    why = decide(worked(poisson(10 * MINUTE)), MONDAY + WEEKS, terms(cold_s=cold_s)).why
    assert "USD an idle time, 10 min" in why
    assert "never stopping" in why
