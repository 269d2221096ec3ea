"""When engines are kept warm: by a timetable, or by what has been learned from the requests so far.

A decision is a function of the arrivals so far, the moment and the terms, and says why. It stands until the next one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from functions.costs import usd_per_second
from functions.keep_alive_demand import Arrival, Demand, Prices
from functions.keep_alive_learning import ALWAYS, Candidate, Learner
from functions.keep_alive_prediction import Calendar, Foresight
from infra.settings import KeepAliveSettings, Settings

EVERY_S: Final = 300.0
"""From one decision to the next: the schedule in modal_app.py."""
SHORTEST_S: Final = 2
LONGEST_S: Final = 3600
"""Modal's shortest and longest scale-down window."""
COMPARED_S: Final = 600.0
"""What a window is compared with where its reason is given."""
OF_CONTEXT: Final = {"any": "", "hours": " at these hours", "pace": " after such as the last three"}
BY_SIGHT: Final = {"histogram": "idle times as long as this one", "calendar": "other days at this time"}


@dataclass(frozen=True)
class Terms:
    """What a decision goes by beside the arrivals.

    `at_least` containers are kept whatever they cost; `window_s` is the scale-down window beside a timetable.
    """

    settings: KeepAliveSettings
    prices: Prices
    at_least: int
    window_s: int
    every_s: float = EVERY_S

    @classmethod
    def of(cls, settings: Settings) -> "Terms":
        """Those of an environment."""
        keep_alive, scaling = settings.keep_alive, settings.scaling
        prices = Prices(usd_per_second(settings), keep_alive.waited_usd_per_s, keep_alive.cold_start_s)
        return cls(keep_alive, prices, scaling.min_containers, scaling.scaledown_window_s)


@dataclass(frozen=True)
class Decision:
    """What Modal's autoscaler is told; and why, in one line."""

    min_containers: int
    scaledown_window_s: int
    why: str


def warm_containers(settings: KeepAliveSettings, *, at: datetime, at_least: int) -> int:
    """How many engines to keep warm at a moment (with its time zone): the most that any matching row asks for."""
    local = at.astimezone(ZoneInfo(settings.timezone))
    asked = [
        row.containers
        for row in settings.warm_hours
        if local.weekday() in row.days and row.from_hour <= local.hour < row.until_hour
    ]
    return max([at_least, *asked])


def by_timetable(terms: Terms, now: float, why: str = "the timetable") -> Decision:
    """What the timetable says."""
    at = datetime.fromtimestamp(now, UTC)
    wanted = warm_containers(terms.settings, at=at, at_least=terms.at_least)
    return Decision(wanted, terms.window_s, f"{why}: {wanted} warm at this hour ({terms.settings.timezone})")


def decide(arrivals: Iterable[Arrival], now: float, terms: Terms, *, idle_usd_today: float = 0.0) -> Decision:
    """What to do from `now` on. `arrivals` are those before `now`, in order; so much has been spent on idling today."""
    policy = KeepAlive(terms)
    for arrival in arrivals if terms.settings.policy == "learned" else ():
        policy.add(arrival)
    return policy.decide(now, idle_usd_today=idle_usd_today)


class KeepAlive:
    """The policy of one environment, fed with arrivals as they come."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._demand = Demand(terms.prices.cold_start_s)
        self._learner = Learner(terms.prices, Calendar(ZoneInfo(terms.settings.timezone)), terms.every_s)

    def add(self, arrival: Arrival) -> None:
        """The next arrival."""
        for idle in self._demand.add(arrival):
            self._learner.add(idle)

    def decide(self, now: float, *, idle_usd_today: float = 0.0) -> Decision:
        """What to do from `now` on. Decisions are asked for in the order of time, between arrivals."""
        for idle in self._demand.known_at(now):
            self._learner.add(idle)
        return self._within_budget(self._unbounded(now), idle_usd_today)

    def _unbounded(self, now: float) -> Decision:
        terms, seen = self._terms, self._learner.seen
        if terms.settings.policy == "timetable":
            return by_timetable(terms, now)
        if seen < terms.settings.few_idle_times:
            break_even = replace(terms, window_s=_within_modal(terms.prices.break_even_s))
            return by_timetable(break_even, now, f"the timetable, as {seen} idle times are too few to learn from")
        return self._by_cost(now)

    def _by_cost(self, now: float) -> Decision:
        learner, at_least = self._learner, self._terms.at_least
        leader = learner.leader()
        busy_until = self._demand.busy_until
        idle_since = now if busy_until is None else min(busy_until, now)
        window = learner.window_s(leader.context, idle_since)
        if window == ALWAYS:
            return Decision(max(at_least, 1), LONGEST_S, f"always warm: {self._costs_of(leader, window, idle_since)}")
        seen = learner.foresight(leader.sight, idle_since=idle_since, now=now)
        is_on = now - idle_since < window
        if seen is not None and idle_since < now and learner.is_worth_warming(seen, window, is_on=is_on):
            return Decision(max(at_least, 1), _within_modal(window), self._ahead(leader, seen))
        why = f"{window:.0f} s of idling: {self._costs_of(leader, window, idle_since)}"
        return Decision(at_least, _within_modal(window), why)

    def _costs_of(self, leader: Candidate, window: float, at: float) -> str:
        count, usd = self._learner.costs_per_idle_time(leader.context, at)
        others = {SHORTEST_S: "stopping at once", COMPARED_S: "10 min", ALWAYS: "never stopping"}
        told = [f"{words} {usd[other]:.4f}" for other, words in others.items() if other != window]
        return f"{usd[window]:.4f} USD an idle time, {', '.join(told)} ({count} seen{OF_CONTEXT[leader.context]})"

    def _ahead(self, leader: Candidate, seen: Foresight) -> str:
        minutes, by = self._terms.every_s / 60, BY_SIGHT[leader.sight]
        return f"warm ahead: a request comes within {minutes:.0f} min in {seen.probability:.0%} of {by}"

    def _within_budget(self, decision: Decision, idle_usd_today: float) -> Decision:
        terms = self._terms
        if not terms.prices.warm_usd_per_s:
            return decision
        left_s = (terms.settings.daily_warm_budget_usd - idle_usd_today) / terms.prices.warm_usd_per_s
        wanted, window_s = decision.min_containers, decision.scaledown_window_s
        if wanted > terms.at_least and (wanted - terms.at_least) * terms.every_s > left_s:
            wanted = terms.at_least
        window_s = min(window_s, _within_modal(left_s))
        if (wanted, window_s) == (decision.min_containers, decision.scaledown_window_s):
            return decision
        budget = terms.settings.daily_warm_budget_usd
        why = f"{idle_usd_today:.2f} of {budget:.2f} USD for idling are spent today, which cuts: {decision.why}"
        return Decision(wanted, window_s, why)


def _within_modal(window_s: float) -> int:
    return int(min(max(window_s, SHORTEST_S), LONGEST_S))
