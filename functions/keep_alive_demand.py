"""When an engine was wanted, and for how long nobody wanted it in between. Moments are seconds since 1970 (UTC)."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request for the engine: when it came, and when it was done."""

    at: float
    done: float


@dataclass(frozen=True, slots=True)
class Prices:
    """What keep-alive weighs, in US dollars: a second of a warm engine, and a second that a user waits for one.

    A cold engine is ready `cold_start_s` after somebody wants it, and those seconds are paid as well.
    """

    warm_usd_per_s: float
    waited_usd_per_s: float
    cold_start_s: float

    def cold_usd(self, waited_s: float) -> float:
        """A cold start for which users wait so many seconds together."""
        return self.cold_start_s * self.warm_usd_per_s + waited_s * self.waited_usd_per_s

    @property
    def break_even_s(self) -> float:
        """Idling for so long costs what a cold start for one user does.

        A window of this length never costs more than twice what the best one would have (the ski-rental problem).
        """
        if not self.warm_usd_per_s:
            return float("inf")
        return self.cold_usd(self.cold_start_s) / self.warm_usd_per_s


@dataclass(frozen=True, slots=True)
class IdleTime:
    """Nobody wanted the engine from `began` to `ended`; a cold start then would have made users wait `waited_s`."""

    began: float
    ended: float
    waited_s: float

    @property
    def length_s(self) -> float:
        """Seconds between the end of the work before and the next arrival."""
        return self.ended - self.began


class Demand:
    """Arrivals in their order, and the idle times between them as soon as they are known whole.

    That is when a cold start at their end would be over: who comes during it would wait for it too.
    """

    def __init__(self, cold_start_s: float) -> None:
        self._cold_start_s = cold_start_s
        self._open: IdleTime | None = None
        self.busy_until: float | None = None

    def add(self, arrival: Arrival) -> Iterator[IdleTime]:
        """The next arrival. Yields the idle time that is known whole by it."""
        yield from self.known_at(arrival.at)
        if self.busy_until is not None and arrival.at > self.busy_until:
            if self._open is not None:  # work shorter than a cold start: two idle times close to each other
                yield self._open
            self._open = IdleTime(self.busy_until, arrival.at, self._cold_start_s)
        elif self._open is not None:
            waited = self._cold_start_s - (arrival.at - self._open.ended)
            self._open = IdleTime(self._open.began, self._open.ended, self._open.waited_s + waited)
        self.busy_until = max(arrival.done, self.busy_until or 0.0)

    def known_at(self, now: float) -> Iterator[IdleTime]:
        """Yields the idle time that is known whole because a cold start would be over by now."""
        if self._open is not None and now >= self._open.ended + self._cold_start_s:
            yield self._open
            self._open = None
