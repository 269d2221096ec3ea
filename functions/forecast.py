"""What a month will have cost at its end, with an interval, from the sums of the days before.

The method: each day to come costs what days of its kind (working day, or weekend) have cost on average in the last
four weeks, the days before the first cost left out. The interval is Student's t over the sum: the spread of the days
about their kind's mean, the uncertainty of the means themselves, and, where a dear day tends to follow a dear one, the
first autocorrelation, as in a seasonal-mean forecast with AR(1) errors (Hyndman and Athanasopoulos, "Forecasting:
Principles and Practice", 3rd edition, sections 5.2, 5.5 and 8). It knows nothing of growth, or of what is announced.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import NormalDist, fmean

from pydantic import BaseModel, ConfigDict

HISTORY_DAYS = 28
CONFIDENCE = 0.8
FEWEST_DAYS = 3
"""With fewer whole days there is no spread to speak of: no interval."""
SATURDAY = 5
DAY_S = 86_400
MOST_AUTOCORRELATION = 0.9

METHOD = (
    "spent so far, plus for each day to come the mean of the last 28 days of its kind (working day or weekend); "
    "the interval is Student's t with the days' spread, the means' uncertainty and their first autocorrelation"
)


class Forecast(BaseModel):
    """In US dollars. Without enough days behind it, `low_usd` and `high_usd` are None."""

    model_config = ConfigDict(frozen=True)

    month: date
    at: datetime
    spent_usd: float
    forecast_usd: float
    low_usd: float | None
    high_usd: float | None
    confidence: float = CONFIDENCE
    days_of_history: int
    method: str = METHOD


def forecast(daily: Mapping[date, float], *, at: datetime) -> Forecast:
    """The month of `at` (UTC), from what each day has cost; days that are not in `daily` cost nothing."""
    moment = at.astimezone(UTC)
    today = moment.date()
    month = today.replace(day=1)
    spent = math.fsum(cost for day, cost in daily.items() if month <= day <= today)
    history = _history(daily, today)
    means = _means(history)
    left = 1 - (moment - datetime.combine(today, datetime.min.time(), UTC)).total_seconds() / DAY_S
    to_come = [(today, left), *((day, 1.0) for day in _days(today + timedelta(days=1), _next_month(month)))]
    expected = sum(share * means[_is_weekend(day)] for day, share in to_come)
    margin = _margin(history, means, to_come)
    return Forecast(
        month=month,
        at=moment,
        spent_usd=spent,
        forecast_usd=spent + expected,
        low_usd=None if margin is None else spent + max(0.0, expected - margin),
        high_usd=None if margin is None else spent + expected + margin,
        days_of_history=len(history),
    )


def _history(daily: Mapping[date, float], today: date) -> list[tuple[date, float]]:
    """Whole days, from the first that cost anything."""
    first = min((day for day, cost in daily.items() if cost > 0), default=today)
    since = max(first, today - timedelta(days=HISTORY_DAYS))
    return [(day, daily.get(day, 0.0)) for day in _days(since, today)]


def _means(history: Sequence[tuple[date, float]]) -> dict[bool, float]:
    """By whether the day is of a weekend; a kind that was not seen is like the other."""
    every = fmean([cost for _, cost in history]) if history else 0.0
    means = {}
    for weekend in (False, True):
        costs = [cost for day, cost in history if _is_weekend(day) is weekend]
        means[weekend] = fmean(costs) if costs else every
    return means


def _margin(
    history: Sequence[tuple[date, float]], means: Mapping[bool, float], to_come: Sequence[tuple[date, float]]
) -> float | None:
    kinds = {_is_weekend(day) for day, _ in history}
    freedom = len(history) - len(kinds)
    if len(history) < FEWEST_DAYS or freedom < 1:
        return None
    residuals = [cost - means[_is_weekend(day)] for day, cost in history]
    squares = sum(residual**2 for residual in residuals)
    following = sum(one * next_one for one, next_one in pairwise(residuals))
    # Residuals about a mean look less alike than they are: about 1/n too little.
    correlation = (following / squares if squares else 0.0) + 1 / len(history)
    correlation = min(max(correlation, 0.0), MOST_AUTOCORRELATION)
    inflation = (1 + correlation) / (1 - correlation)
    days = sum(share for _, share in to_come)
    of_days = sum(share**2 for _, share in to_come)
    of_means = 0.0
    for weekend in (False, True):
        seen = sum(_is_weekend(day) is weekend for day, _ in history) or len(history)
        of_means += sum(share for day, share in to_come if _is_weekend(day) is weekend) ** 2 / seen
    variance = squares / freedom * inflation * (of_days + of_means) if days else 0.0
    return _student((1 + CONFIDENCE) / 2, freedom) * math.sqrt(variance)


def _student(probability: float, freedom: int) -> float:
    """Quantile of Student's t, by Abramowitz and Stegun's expansion 26.7.5, which is good from 3 degrees on."""
    z = NormalDist().inv_cdf(probability)
    n = max(freedom, FEWEST_DAYS)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )


def _is_weekend(day: date) -> bool:
    return day.weekday() >= SATURDAY


def _days(start: date, until: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((until - start).days)]


def _next_month(month: date) -> date:
    return (month + timedelta(days=32)).replace(day=1)
