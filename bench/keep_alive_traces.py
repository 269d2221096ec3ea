"""Traces of arrivals for bench/keep_alive.py: families of them, each at several rates. Seeded, so that they repeat."""

import csv
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, count, takewhile
from pathlib import Path

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
BEGINS = datetime(2026, 1, 5, tzinfo=UTC).timestamp()  # a Monday
MONTH_S = 28 * DAY
WEEK_S = 7 * DAY
PREDICTABLE = ("office hours", "periodic", "daily")


@dataclass(frozen=True)
class Trace:
    """Moments at which requests came, in seconds since 1970, from `begins` on and before `begins + length_s`."""

    family: str
    name: str
    arrivals: tuple[float, ...]
    length_s: float

    @property
    def begins(self) -> float:
        return BEGINS


def office_hours(rng: random.Random, sessions_a_month: float) -> Iterator[float]:
    """Sessions of a few requests each, on working days from 9 to 18, with a break for lunch."""
    for asked in office_sessions(rng, sessions_a_month):
        yield from asked


def office_sessions(rng: random.Random, sessions_a_month: float) -> Iterator[list[float]]:
    """The same, each session by itself."""
    a_day = sessions_a_month / 20
    for day in range(28):
        if day % 7 >= 5:
            continue
        for at in poisson(rng, 8 * HOUR / a_day, 8 * HOUR):
            begins = 9 * HOUR + at + (HOUR if at > 3 * HOUR else 0)
            yield list(session(rng, BEGINS + day * DAY + begins))


def sessions_of(name: str) -> list[list[float]]:
    """Those of which the trace of office hours with this name is made."""
    rng = random.Random(f"office hours {name}")  # noqa: S311 - as `traces` makes it
    return list(office_sessions(rng, float(name.split(maxsplit=1)[0].replace(",", ""))))


def session(rng: random.Random, at: float) -> Iterator[float]:
    """A request, and then others: two on average, each about 45 seconds after the last."""
    yield at
    while rng.random() < 2 / 3:
        at += rng.expovariate(1 / 45)
        yield at


def periodic(rng: random.Random, every_s: float) -> Iterator[float]:
    """A caller with a timer."""
    for at in takewhile(lambda at: at < MONTH_S - HOUR, count(rng.random() * every_s, every_s)):
        yield BEGINS + at + rng.gauss(0, 5)


def daily(rng: random.Random, times: tuple[float, ...]) -> Iterator[float]:
    """Jobs of ten requests, at the same times of every day, give or take a minute."""
    for day in range(28):
        for time in times:
            at = BEGINS + day * DAY + time * HOUR + rng.gauss(0, MINUTE)
            yield from accumulate((rng.expovariate(1 / 20) for _ in range(9)), initial=at)


def bursts(rng: random.Random, every_s: float) -> Iterator[float]:
    """Nobody knows when; then fifteen requests on average."""
    for begins in poisson(rng, every_s, MONTH_S - HOUR):
        at = BEGINS + begins
        yield at
        while rng.random() < 14 / 15:
            at += rng.expovariate(1 / 20)
            yield at


def poisson(rng: random.Random, every_s: float, length_s: float) -> Iterator[float]:
    gaps = (rng.expovariate(1 / every_s) for _ in count())
    return takewhile(lambda at: at < length_s, accumulate(gaps))


def flash_crowd(rng: random.Random, every_s: float) -> Iterator[float]:
    """A little traffic, and three crowds: two requests a second at the beginning, half as many every five minutes."""
    yield from (BEGINS + at for at in poisson(rng, every_s, MONTH_S))
    for day in (6.4, 13.8, 22.6):
        for at in poisson(rng, 0.5, HOUR):
            if rng.random() < 0.5 ** (at / (5 * MINUTE)):
                yield BEGINS + day * DAY + at


def azure(rng: random.Random, file: Path, every_s: float) -> Iterator[float]:
    """The hour of the trace, over and over for a week, thinned by chance to the rate."""
    with file.open(newline="") as lines:
        moments = [datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp() for row in csv.DictReader(lines)]
    kept = min(HOUR / every_s / len(moments), 1.0)
    for hour in range(int(WEEK_S / HOUR)):
        yield from (BEGINS + hour * HOUR + at - moments[0] for at in moments if rng.random() < kept)


def traces(azure_directory: Path) -> Iterator[Trace]:
    """All of them. Azure's are left out where the directory does not have them."""
    for family, name, length_s, make in _recipes(azure_directory):
        rng = random.Random(f"{family} {name}")  # noqa: S311 - it repeats, and keeps no secret
        arrivals = sorted(at for at in make(rng) if at < BEGINS + length_s)
        yield Trace(family, name, tuple(arrivals), length_s)


def _recipes(azure_directory: Path) -> Iterator[tuple[str, str, float, Callable[[random.Random], Iterator[float]]]]:
    for sessions in (250, 500, 1000):
        yield "office hours", f"{sessions:,} sessions a month", MONTH_S, lambda rng, n=sessions: office_hours(rng, n)
    yield "office hours, busy", "5,000 sessions a month", MONTH_S, lambda rng: office_hours(rng, 5000)
    for minutes in (15, 30, 60):
        yield "periodic", f"every {minutes} min", MONTH_S, lambda rng, m=minutes: periodic(rng, m * MINUTE)
    for times in ((2.0,), (7.0, 13.0), (6.0, 9.5, 12.0, 15.5, 20.0)):
        yield "daily", f"{len(times)} a day", MONTH_S, lambda rng, t=times: daily(rng, t)
    for hours in (1, 4):
        yield "bursts", f"every {hours} h", MONTH_S, lambda rng, h=hours: bursts(rng, h * HOUR)
    for minutes in (1, 3, 10, 60):
        yield (
            "Poisson",
            f"every {minutes} min",
            MONTH_S,
            lambda rng, m=minutes: (BEGINS + at for at in poisson(rng, m * MINUTE, MONTH_S)),
        )
    yield "flash crowd", "on 1 every 30 min", MONTH_S, lambda rng: flash_crowd(rng, 30 * MINUTE)
    for kind in ("code", "conv"):
        file = azure_directory / f"AzureLLMInferenceTrace_{kind}.csv"
        if file.is_file():
            for every_s in (30, 120, 600):
                yield f"Azure, {kind}", f"1 every {every_s} s", WEEK_S, lambda rng, f=file, e=every_s: azure(rng, f, e)
