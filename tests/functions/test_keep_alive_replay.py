"""The engine that decisions are tried on, and the optimum of bench/keep_alive.py, each against a slower calculation."""

import random
from functools import cache
from itertools import cycle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.keep_alive import compare, families, replay
from bench.keep_alive_policies import Fixed, clairvoyant_usd, sessions_known_usd
from bench.keep_alive_traces import BEGINS, MONTH_S, PREDICTABLE, Trace, office_sessions, sessions_of, traces
from functions.keep_alive import EVERY_S, Decision
from functions.keep_alive_demand import Arrival, Demand, IdleTime, Prices
from functions.keep_alive_replay import EngineReplay
from infra.settings import load_settings

SETTINGS = load_settings("production")
PRICES = Prices(2.5 / 3600, 0.01, 10.0)


def lived(*, window: float, arrivals: list[tuple[float, float]], until: float) -> EngineReplay:
    engine = EngineReplay(10.0, 0.0, 0, window)
    for at, work_s in arrivals:
        engine.arrive(at, work_s)
    engine.advance(until)
    return engine


def test_a_cold_engine_makes_everybody_wait_who_comes_while_it_starts():
    engine = lived(window=60, arrivals=[(100, 5), (104, 5), (113, 5)], until=1000)
    assert engine.waits_s == [10, 6, 0]
    assert engine.warm_s == 10 + 8 + 60  # its start, its work from 110 to 118, its window
    assert (engine.idle_s, engine.starts) == (60, 1)


def test_an_engine_that_is_still_warm_makes_nobody_wait():
    engine = lived(window=60, arrivals=[(100, 5), (174, 5), (240, 5)], until=1000)
    assert engine.waits_s == [10, 0, 10]
    assert engine.starts == 2


def test_an_engine_started_ahead_is_ready_in_time_and_stops_when_it_is_not_wanted():
    engine = EngineReplay(10.0, 0.0)
    engine.decide(100, 1, 30)
    assert engine.arrive(110, 5) == 115
    engine.decide(400, 0, 30)
    assert not engine.is_on or engine.min_containers == 0
    engine.advance(1000)
    assert engine.warm_s == 300
    assert engine.idle_s == 300 - 10 - 5


def test_a_shorter_window_counts_from_when_idling_began():
    engine = EngineReplay(10.0, 0.0, 0, 1000)
    engine.arrive(0, 5)
    engine.decide(100, 0, 60)
    engine.advance(1000)
    assert engine.warm_s == 100


gaps = st.lists(st.floats(0.01, 500), min_size=1, max_size=30)
decisions = st.lists(st.tuples(st.integers(0, 1), st.integers(2, 3600)), min_size=1, max_size=20)


class Told:
    """Says what it was given, over and over."""

    def __init__(self, decisions: list[tuple[int, int]]) -> None:
        self.decisions = cycle(decisions)

    def add(self, arrival: Arrival) -> None: ...

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision:  # noqa: ARG002 - whenever it is asked
        return Decision(*next(self.decisions), "as told")


@given(gaps, decisions)
def test_no_decisions_are_cheaper_than_the_clairvoyants(gaps_s: list[float], told: list[tuple[int, int]]):
    at, moments = BEGINS + PRICES.cold_start_s, []
    for gap in gaps_s:
        at += gap
        moments.append(at)
    trace = Trace("any", "any", tuple(moments), at - BEGINS + 100)
    engine = replay(trace, Told(told), PRICES, work_s=5.0, every_s=EVERY_S)
    usd = engine.warm_s * PRICES.warm_usd_per_s + sum(engine.waits_s) * PRICES.waited_usd_per_s
    assert usd >= clairvoyant_usd(moments, 5.0, PRICES) - 1e-9
    assert 0 <= engine.idle_s <= engine.warm_s
    assert all(0 <= wait <= PRICES.cold_start_s for wait in engine.waits_s)


def exhaustive_usd(arrivals: list[int], work_s: int, prices: Prices) -> float:
    """The cheapest of all ways to start and stop an engine at whole seconds, by trying every one."""
    cold_s, horizon = int(prices.cold_start_s), max(arrivals) + 3 * int(prices.cold_start_s) + 3 * work_s

    @cache
    def least(now: int, ready_in: int, busy_s: int, waiting: int) -> float:
        """`ready_in` is -1 for an engine that is off."""
        if now == horizon:
            return 0.0 if not waiting and not busy_s else float("inf")
        waiting += arrivals.count(now)
        ways = []
        for on in (False, True):
            left = ready_in
            if on and left < 0:
                left = cold_s
            if not on:
                if busy_s and left == 0:
                    continue
                left = -1
            busy, queue = busy_s, waiting
            if left == 0 and queue:
                busy, queue = max(busy, work_s), 0
            usd = (prices.warm_usd_per_s if on else 0.0) + queue * prices.waited_usd_per_s
            ways.append(usd + least(now + 1, max(left - 1, 0) if on else -1, max(busy - 1, 0) if on else 0, queue))
        return min(ways)

    return least(min(arrivals) - cold_s, -1, 0, 0)


@pytest.mark.parametrize("seed", range(40))
def test_the_optimum_is_the_least_of_all_ways(seed: int):
    rng = random.Random(seed)
    prices = Prices(rng.choice([0.25, 0.5, 1.0]), 1.0, rng.randint(1, 4))
    work_s = rng.randint(1, 4)
    arrivals = sorted(rng.sample(range(20, 50), rng.randint(1, 6)))
    assert clairvoyant_usd(arrivals, work_s, prices) == pytest.approx(exhaustive_usd(arrivals, work_s, prices))


def test_an_optimum_that_would_make_users_wait_is_not_given():
    with pytest.raises(ValueError, match="makes users wait"):
        clairvoyant_usd([1.0], 1.0, Prices(2.0, 1.0, 10.0))


def test_idle_times_are_between_work_and_know_who_would_have_waited():
    demand, found = Demand(10.0), []
    for at, done in ((0, 20), (5, 10), (50, 52), (54, 60), (58, 61), (300, 301), (1000, 1001)):
        found += demand.add(Arrival(at, done))
    assert found == [IdleTime(20, 50, 10), IdleTime(52, 54, 10 + 6), IdleTime(61, 300, 10)]
    assert not list(demand.known_at(1009))
    assert list(demand.known_at(1010)) == [IdleTime(301, 1000, 10)]
    assert not list(demand.known_at(2000))


def test_fixed_windows_cost_what_their_arithmetic_says():
    moments = [BEGINS + 100.0, BEGINS + 500.0, BEGINS + 530.0]
    engine = replay(Trace("any", "any", tuple(moments), 1000.0), Fixed(60), PRICES, work_s=5.0, every_s=300.0)
    assert engine.waits_s == [10, 10, 0]
    assert engine.warm_s == pytest.approx((10 + 5 + 60) + (10 + 5 + 15 + 5 + 60))


@pytest.mark.parametrize("family", PREDICTABLE)
def test_predictable_traces_cost_what_the_documentation_promises(family: str, tmp_path: Path):
    rows = [
        compare(trace, SETTINGS, PRICES, work_s=2.7, every_s=EVERY_S, budget_usd=20.0)
        for trace in traces(tmp_path)
        if trace.family == family
    ]
    found = families(rows)[family]
    assert found["to_best_fixed"] <= 1.05
    assert found["to_10_min"] <= 0.6
    assert found["to_optimum"] >= 1


def test_who_knows_that_a_session_goes_on_waits_for_it_and_for_nothing_else():
    # Two that overlap, and one much later: idle from 105, 135 and 155 to 130, 150 and 200; started at 100 and at 9000.
    usd = sessions_known_usd([[100.0, 150.0], [130.0, 200.0], [9000.0]], 5.0, PRICES)
    worked_s, idle_s = 5 * 5, 25 + 15 + 45
    warm_usd = (worked_s + idle_s) * PRICES.warm_usd_per_s
    assert usd == pytest.approx(warm_usd + 2 * PRICES.cold_usd(PRICES.cold_start_s))


def test_no_fixed_window_comes_below_the_bound_of_who_knows_that():
    sessions = list(office_sessions(random.Random(3), 500))
    trace = Trace("office hours", "", tuple(sorted(at for own in sessions for at in own)), MONTH_S)
    bound = sessions_known_usd(sessions, 2.7, PRICES)
    for window in (2.0, 60.0, 600.0):
        engine = replay(trace, Fixed(window), PRICES, work_s=2.7, every_s=MONTH_S)
        usd = engine.warm_s * PRICES.warm_usd_per_s + sum(engine.waits_s) * PRICES.waited_usd_per_s
        assert usd > bound
    assert clairvoyant_usd(trace.arrivals, 2.7, PRICES) < bound


def test_the_sessions_are_those_of_the_trace():
    (trace,) = (one for one in traces(Path("nowhere")) if one.name == "250 sessions a month")
    assert sorted(at for own in sessions_of(trace.name) for at in own) == list(trace.arrivals)
