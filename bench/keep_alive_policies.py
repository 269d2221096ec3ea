"""The policies that bench/keep_alive.py compares, and the optimum that none of them can reach."""
# ruff: noqa: ARG002 - a policy is told more than some of them listen to

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from functions.keep_alive import LONGEST_S, SHORTEST_S, Decision, warm_containers
from functions.keep_alive_demand import Arrival, Demand, IdleTime, Prices
from functions.keep_alive_learning import window_usd
from infra.settings import WarmHours, load_settings

MINUTE = 60
WORKING_HOURS = load_settings("production").keep_alive.model_copy(
    update={"warm_hours": [WarmHours(days=[0, 1, 2, 3, 4], from_hour=8, until_hour=18, containers=1)]}
)


class Policy(Protocol):
    """What is asked at every tick, and told of every arrival since the last one."""

    def add(self, arrival: Arrival) -> None: ...

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision: ...


@dataclass(frozen=True)
class Fixed:
    """The same, always."""

    scaledown_window_s: float
    min_containers: int = 0

    def add(self, arrival: Arrival) -> None: ...

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision:
        return Decision(self.min_containers, int(self.scaledown_window_s), "fixed")


@dataclass(frozen=True)
class Timetable:
    """Warm in working hours; otherwise five minutes."""

    def add(self, arrival: Arrival) -> None: ...

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision:
        at = datetime.fromtimestamp(now, UTC)
        return Decision(warm_containers(WORKING_HOURS, at=at, at_least=0), 5 * MINUTE, "the timetable")


@dataclass
class PlainHistogram:
    """The hybrid histogram policy of "Serverless in the Wild" (Shahrad et al., ATC'20, section 4), without ARIMA.

    Idle times in bins of a minute, up to four hours. The head (5th percentile, rounded down, less 10 %) is the pre-warm
    window, the tail (99th, rounded up, and 10 %) the keep-alive window. Where the histogram is not representative (the
    coefficient of variation of its bins is below 2, or most idle times are out of its bounds) the engine is kept for
    the histogram's range.
    """

    cold_start_s: float
    every_s: float
    range_min: int = 240
    _bins: list[int] = field(default_factory=lambda: [0] * 240)
    _out_of_bounds: int = 0

    def __post_init__(self) -> None:
        self._demand = Demand(self.cold_start_s)

    def add(self, arrival: Arrival) -> None:
        for idle in self._demand.add(arrival):
            minute = int(idle.length_s // MINUTE)
            if minute < self.range_min:
                self._bins[minute] += 1
            else:
                self._out_of_bounds += 1

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision:
        prewarm_s, keep_s = self._windows()
        if self._demand.busy_until is None:
            return Decision(0, LONGEST_S, "nothing is known")
        idle_s = now - self._demand.busy_until
        begins = 0.0 if prewarm_s <= MINUTE else prewarm_s - self.every_s
        wanted = begins <= idle_s < prewarm_s + keep_s
        return Decision(int(wanted), LONGEST_S if not begins and wanted else SHORTEST_S, "the histogram")

    def _windows(self) -> tuple[float, float]:
        within = sum(self._bins)
        mean = within / self.range_min
        deviation = math.sqrt(sum((count - mean) ** 2 for count in self._bins) / self.range_min)
        if not within or deviation < 2 * mean or self._out_of_bounds > within:
            return 0.0, self.range_min * MINUTE
        head, tail = self._percentile(5), self._percentile(99) + 1
        return head * 0.9 * MINUTE, (tail * 1.1 - head * 0.9) * MINUTE

    def _percentile(self, percent: float) -> int:
        wanted, passed = percent / 100 * sum(self._bins), 0
        for minute, count in enumerate(self._bins):
            passed += count
            if passed >= wanted:
                return minute
        return self.range_min


def clairvoyant_usd(arrivals: Sequence[float], work_s: float, prices: Prices) -> float:
    """The least that anything could cost that knows every arrival, exactly.

    While a second of waiting costs no less than a warm one, nobody waits: to start an engine a moment earlier costs a
    warm moment, and spares a waiting one to at least one user. The engine then works when it is asked to, and between
    two times of work either idles or stops and starts again just in time, whichever is shorter.
    """
    if prices.waited_usd_per_s < prices.warm_usd_per_s:
        raise ValueError("an optimum that makes users wait is not computed")
    if not arrivals:
        return 0.0
    warm, busy_until = prices.cold_start_s, arrivals[0]
    for at in arrivals:
        warm += min(max(at - busy_until, 0.0), prices.cold_start_s)
        warm += max(at + work_s - max(busy_until, at), 0.0)
        busy_until = max(busy_until, at + work_s)
    return warm * prices.warm_usd_per_s


def best_by_hour_usd(arrivals: Sequence[float], work_s: float, prices: Prices, windows: Sequence[float]) -> float:
    """What windows would have cost that are chosen in hindsight for each hour of the week: a bound for who knows when
    people work, and not when one of them will ask next."""
    by_hour: dict[int, list[IdleTime]] = {}
    demand, busy_s = Demand(prices.cold_start_s), 0.0
    for at in arrivals:
        busy_s += at + work_s - max(demand.busy_until or at, at)
        for idle in demand.add(Arrival(at, at + work_s)):
            by_hour.setdefault(int(idle.began // 3600) % 168, []).append(idle)
    idle_usd = sum(
        min(sum(window_usd(prices, window, idle) for idle in idles) for window in windows) for idles in by_hour.values()
    )
    return busy_s * prices.warm_usd_per_s + prices.cold_usd(prices.cold_start_s) + idle_usd


def sessions_known_usd(sessions: Sequence[Sequence[float]], work_s: float, prices: Prices) -> float:
    """A bound for whoever cannot see single requests, where sessions begin at random (Poisson), seldom enough that
    nobody would keep an engine for the next one, and go on soon enough that everybody would keep it for that.

    Of who also knows, after each request, whether its session goes on: the engine is kept exactly while one does. When
    the next session begins nobody knows, so each idle time between sessions costs a cold start for one user at least.
    """
    last = {own[0]: own[-1] for own in sessions}
    usd, busy_until, lasts_until = 0.0, float("-inf"), float("-inf")
    for at in sorted(at for own in sessions for at in own):
        if at > busy_until:
            idle_s = at - busy_until if lasts_until >= at else prices.break_even_s
            usd += idle_s * prices.warm_usd_per_s
        usd += (at + work_s - max(busy_until, at)) * prices.warm_usd_per_s
        busy_until = at + work_s
        lasts_until = max(lasts_until, last.get(at, at))
    return usd
