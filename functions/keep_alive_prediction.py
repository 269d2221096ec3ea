"""When the next request will come: by how long idle times were, and by the clock."""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from functions.keep_alive_demand import IdleTime

SEEN_AT_LEAST = 5
"""Idle times, or days, of which fewer say nothing."""
DAYS_LOOKED_BACK = 14
IDLE_TIMES_KEPT = 2000


@dataclass(frozen=True, slots=True)
class Foresight:
    """Of the next seconds: how likely a request comes in them, and how many of them pass before, on average.

    `late` is the part of requests' waits that a start now would not spare: who comes during it waits for the rest.
    """

    probability: float
    idle_s: float
    late: float

    @classmethod
    def of(cls, came_after_s: Sequence[float], cases: int, span_s: float, cold_start_s: float) -> "Foresight":
        """By what happened in so many like cases: after how many seconds, less than `span_s`, requests came."""
        late = sum(max(cold_start_s - seconds, 0.0) for seconds in came_after_s) / cold_start_s
        idle_s = sum(came_after_s) + (cases - len(came_after_s)) * span_s
        return cls(len(came_after_s) / cases, idle_s / cases, late / cases)


class IdleHistogram:
    """How long the last idle times were, each kept as it was: a histogram whose bins are as fine as the data."""

    def __init__(self) -> None:
        self._lengths: list[float] = []
        self._order: deque[float] = deque()

    def add(self, length_s: float) -> None:
        """One more idle time."""
        if len(self._order) == IDLE_TIMES_KEPT:
            del self._lengths[bisect_left(self._lengths, self._order.popleft())]
        self._order.append(length_s)
        insort(self._lengths, length_s)

    def foresight(self, idle_for_s: float, span_s: float, cold_start_s: float) -> Foresight | None:
        """Of the next `span_s`, by those idle times that were at least as long as this one is now."""
        first = bisect_left(self._lengths, idle_for_s)
        lasted = len(self._lengths) - first
        if lasted < SEEN_AT_LEAST:
            return None
        beyond = bisect_left(self._lengths, idle_for_s + span_s, lo=first)
        came = [length - idle_for_s for length in islice(self._lengths, first, beyond)]
        return Foresight.of(came, lasted, span_s, cold_start_s)


class Calendar:
    """At which times of which days idle times ended, in a time zone. Weekends are days of their own kind."""

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._first_day: date | None = None
        self._ends: dict[date, list[float]] = {}

    def local(self, at: float) -> datetime:
        """The moment in the calendar's time zone."""
        return datetime.fromtimestamp(at, self._zone)

    def add(self, idle: IdleTime) -> None:
        """One more idle time; they come in order."""
        local = self.local(idle.ended)
        if self._first_day is None:
            self._first_day = self.local(idle.began).date()
        self._ends.setdefault(local.date(), []).append(_second_of_day(local))

    def foresight(self, now: float, span_s: float, cold_start_s: float) -> Foresight | None:
        """Of the next `span_s`, by the same time of those of the last days that are like this one."""
        local = self.local(now)
        time_of_day = _second_of_day(local)
        passed = [self._until_next(day, time_of_day) for day in self._days_like(local.date())]
        if len(passed) < SEEN_AT_LEAST:
            return None
        came = [seconds for seconds in passed if seconds is not None and seconds < span_s]
        return Foresight.of(came, len(passed), span_s, cold_start_s)

    def _days_like(self, today: date) -> Iterator[date]:
        if self._first_day is None:
            return
        day, found = today - timedelta(days=1), 0
        while day > self._first_day and found < DAYS_LOOKED_BACK:
            if is_weekend(day) == is_weekend(today):
                found += 1
                yield day
            day -= timedelta(days=1)

    def _until_next(self, day: date, time_of_day: float) -> float | None:
        ends = self._ends.get(day, [])
        place = bisect_left(ends, time_of_day)
        return ends[place] - time_of_day if place < len(ends) else None


def is_weekend(day: date) -> bool:
    """Saturday or Sunday."""
    return day.weekday() >= 5  # noqa: PLR2004 - Monday is 0


def _second_of_day(local: datetime) -> float:
    return local.hour * 3600 + local.minute * 60 + local.second + local.microsecond / 1e6
