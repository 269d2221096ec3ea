"""Which way of keeping warm would have cost least so far.

Each candidate is tried on every idle time, with what it had learned by then: the one that would have been the cheapest
is followed ("follow the leader", Kalai and Vempala, 2005). A candidate is a scale-down window, chosen among idle times
of a context by what each length would have cost, and a foresight by which an engine is started before it is asked for:
the two windows of "Serverless in the Wild" (Shahrad et al., ATC'20), by cost in place of percentiles.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from functions.keep_alive_demand import IdleTime, Prices
from functions.keep_alive_prediction import Calendar, Foresight, IdleHistogram, is_weekend
from functions.keep_alive_replay import EngineReplay

Context = Literal["any", "hours", "pace"]
Sight = Literal["none", "histogram", "calendar"]
Key = tuple[object, ...]

ALWAYS: Final = float("inf")
WINDOWS_S: Final = (2.0, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 2700, 3600, ALWAYS)
"""From Modal's shortest to its longest, and always."""
SHARED_WEIGHT: Final = 8.0
"""What all idle times say counts for a context as much as so many of its own."""
HALF_LIFE_S: Final = 14 * 86400.0
"""After so long, an idle time counts half."""
BETTER_BY: Final = 0.02
"""A candidate that is not so much cheaper than a plainer one is not worth its trouble."""
PACE_OF: Final = 3
HOURS_A_CONTEXT: Final = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A context for the window, and what is looked at to start an engine ahead of time."""

    context: Context
    sight: Sight


CONTEXTS: Final[tuple[Context, ...]] = ("any", "hours", "pace")
SIGHTS: Final[tuple[Sight, ...]] = ("none", "histogram", "calendar")
CANDIDATES: Final = tuple(Candidate(context, sight) for sight, context in product(SIGHTS, CONTEXTS))
"""The plainer ones first."""


class WindowCosts:
    """What each window would have cost in the idle times so far, in dollars, by context."""

    def __init__(self, prices: Prices) -> None:
        self._prices = prices
        self._costs: dict[Key, list[float]] = {}
        self._counts: dict[Key, float] = {}
        self._seen: dict[Key, int] = {}

    def add(self, key: Key, usd: Sequence[float], weight: float) -> None:
        """What each window would have cost in one more idle time of the context."""
        costs = self._costs.setdefault(key, [0.0] * len(WINDOWS_S))
        self._costs[key] = [sum_usd + weight * more for sum_usd, more in zip(costs, usd, strict=True)]
        self._counts[key] = self._counts.get(key, 0.0) + weight
        self._seen[key] = self._seen.get(key, 0) + 1

    def best(self, key: Key, shared: Key, weight: float) -> float:
        """The window that would have cost least; what `shared` says helps where the context has seen little."""
        costs = self._costs.get(key, [0.0] * len(WINDOWS_S))
        if shared not in self._costs:
            return self._prices.break_even_s
        if key != shared:
            prior = SHARED_WEIGHT * weight / self._counts[shared]
            costs = [own + prior * others for own, others in zip(costs, self._costs[shared], strict=True)]
        return WINDOWS_S[costs.index(min(costs))]

    def means(self, key: Key) -> tuple[int, dict[float, float]]:
        """How many idle times of the context count, and what each window costs in one of them; nothing without any."""
        count = self._seen.get(key, 0)
        costs, weights = self._costs.get(key, []), self._counts.get(key, 1.0)
        return count, {window: usd / weights for window, usd in zip(WINDOWS_S, costs, strict=False)}


def window_usd(prices: Prices, window_s: float, idle: IdleTime) -> float:
    """What a scale-down window costs in one idle time."""
    kept = min(window_s, idle.length_s) * prices.warm_usd_per_s
    return kept if idle.length_s < window_s else kept + prices.cold_usd(idle.waited_s)


@dataclass(frozen=True, slots=True)
class _Windows:
    """The window that is set when an idle time begins, and the one that the next decision sets."""

    first_s: float
    then_s: float

    def one_s(self, decided_after_s: float) -> float:
        """The window that alone would have kept the engine for as long."""
        return self.first_s if self.first_s < decided_after_s else max(decided_after_s, self.then_s)


class Learner:
    """What is known after the idle times so far: the costs of every candidate, and what they go by."""

    def __init__(self, prices: Prices, calendar: Calendar, tick_s: float) -> None:
        self.prices = prices
        self.calendar = calendar
        self.histogram = IdleHistogram()
        self.windows = WindowCosts(prices)
        self.spent_usd = dict.fromkeys(CANDIDATES, 0.0)
        self.seen = 0
        self._warm_until = dict.fromkeys(CANDIDATES, 0.0)
        self._tick_s = tick_s
        self._first = self._ticked_until = 0.0
        self._in_force_s = dict.fromkeys(CONTEXTS, prices.break_even_s)
        self._lately: tuple[float, ...] = ()
        self._cold_usd = self._weights = 0.0

    def add(self, idle: IdleTime) -> None:
        """One more idle time: every candidate is charged for it, and then learns from it."""
        if not self.seen:
            self._first = idle.began
        weight = self._weight(idle.began)
        if self.seen:
            self._charge(idle, weight)
        usd = [window_usd(self.prices, window, idle) for window in WINDOWS_S]
        for context in CONTEXTS:
            self.windows.add(self.key(context, idle.began), usd, weight)
        self.histogram.add(idle.length_s)
        self.calendar.add(idle)
        self._cold_usd += weight * self.prices.cold_usd(idle.waited_s)
        self._weights += weight
        self._lately = (*self._lately, idle.length_s)[-PACE_OF:]
        self.seen += 1

    def leader(self) -> Candidate:
        """The candidate that would have cost least."""
        chosen = CANDIDATES[0]
        for candidate in CANDIDATES[1:]:
            if self.spent_usd[candidate] < self.spent_usd[chosen] * (1 - BETTER_BY):
                chosen = candidate
        return chosen

    def window_s(self, context: Context, at: float) -> float:
        """The window for an idle time of that context which begins at `at`."""
        return self.windows.best(self.key(context, at), ("any",), self._weight(at))

    def costs_per_idle_time(self, context: Context, at: float) -> tuple[int, dict[float, float]]:
        """How many idle times of the context there are, and what each window costs in one; of all where it has none."""
        count, usd = self.windows.means(self.key(context, at))
        return (count, usd) if count else self.windows.means(("any",))

    def key(self, context: Context, at: float) -> Key:
        """Which idle times belong together."""
        if context == "hours":
            local = self.calendar.local(at)
            return context, is_weekend(local.date()), local.hour // HOURS_A_CONTEXT
        if context == "pace":
            return context, sum(length <= self.prices.break_even_s for length in self._lately)
        return (context,)

    def foresight(self, sight: Sight, *, idle_since: float, now: float) -> Foresight | None:
        """What the candidate's sight says of the time until the next tick."""
        if sight == "histogram":
            return self.histogram.foresight(now - idle_since, self._tick_s, self.prices.cold_start_s)
        return self.calendar.foresight(now, self._tick_s, self.prices.cold_start_s) if sight == "calendar" else None

    def is_worth_warming(self, seen: Foresight | None, window_s: float, *, is_on: bool) -> bool:
        """Whether an engine that is warm until the next tick costs less than the cold start that it may spare."""
        if seen is None or not self._weights:
            return False
        # After a request it stays warm until the tick, and not only for its window.
        left_s = max(self._tick_s - seen.idle_s - seen.probability * window_s, 0.0)
        spared = seen.probability if is_on else seen.probability - seen.late
        return (seen.idle_s + left_s) * self.prices.warm_usd_per_s < spared * self._cold_usd / self._weights

    def _charge(self, idle: IdleTime, weight: float) -> None:
        ticks = self._ticks(idle)
        sights: dict[Sight, list[Foresight | None]] = {
            sight: [self.foresight(sight, idle_since=idle.began, now=tick) for tick in ticks]
            for sight in SIGHTS
            if sight != "none"
        }
        for context in CONTEXTS:
            window = self.window_s(context, idle.began)
            if self._ticked_until // self._tick_s < idle.began // self._tick_s:
                self._in_force_s[context] = window
            set_s = _Windows(self._in_force_s[context], window)
            for sight in SIGHTS:
                candidate, seen = Candidate(context, sight), sights.get(sight, [])
                if any(seen) or self._warm_until[candidate] > idle.began:
                    usd = self._replayed(candidate, idle, set_s, seen or [None] * len(ticks))
                else:
                    after_s = ticks[0] - idle.began if ticks else ALWAYS
                    usd = window_usd(self.prices, set_s.one_s(after_s), idle)
                self.spent_usd[candidate] += weight * usd
            if ticks:
                self._in_force_s[context] = window
        self._ticked_until = idle.ended

    def _replayed(
        self, candidate: Candidate, idle: IdleTime, windows: "_Windows", seen: Sequence[Foresight | None]
    ) -> float:
        is_forced = self._warm_until[candidate] > idle.began
        cold_start_s = self.prices.cold_start_s
        engine = EngineReplay(
            cold_start_s, idle.began, int(is_forced), windows.first_s, is_on=True, idle_since=idle.began
        )
        for tick, foresight in zip(self._ticks(idle), seen, strict=True):
            engine.advance(tick)
            wanted = self.is_worth_warming(foresight, windows.then_s, is_on=engine.is_on)
            engine.decide(tick, int(wanted), windows.then_s)
        engine.advance(idle.ended)
        warm_s = engine.warm_s
        wait_s = engine.arrive(idle.ended, 0.0) - idle.ended
        if engine.min_containers:
            self._warm_until[candidate] = (idle.ended // self._tick_s + 1) * self._tick_s
        return warm_s * self.prices.warm_usd_per_s + self.prices.cold_usd(idle.waited_s) * wait_s / cold_start_s

    def _ticks(self, idle: IdleTime) -> list[float]:
        first = idle.began // self._tick_s + 1
        return [tick * self._tick_s for tick in range(int(first), int(-(-idle.ended // self._tick_s)))]

    def _weight(self, at: float) -> float:
        # Growing weights of what is new are the same as shrinking ones of what is old, and nothing is touched twice.
        return float(2.0 ** ((at - self._first) / HALF_LIFE_S))
