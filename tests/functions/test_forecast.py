"""The forecast against sums by hand, and its interval against worlds of which the end is known."""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from functions.forecast import _student, forecast

World = Callable[[random.Random, float], float]
MONTH_END = date(2026, 11, 30)


def test_steady_days_end_where_they_must():
    daily = {date(2026, 10, 20) + timedelta(days=n): 10.0 for n in range(32)}
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    result = forecast(daily, at=at)
    assert result.spent_usd == 200
    assert result.forecast_usd == pytest.approx(200 + 5 + 100), "half of today, and ten days"
    assert (result.low_usd, result.high_usd) == (pytest.approx(305), pytest.approx(305))


def test_weekends_are_days_of_their_own():
    days = [date(2026, 10, 12) + timedelta(days=n) for n in range(32)]
    daily = {day: 0.0 if day.weekday() >= 5 else 7.0 for day in days}
    result = forecast(daily, at=datetime(2026, 11, 13, tzinfo=UTC))
    assert result.spent_usd == 9 * 7
    assert result.forecast_usd == pytest.approx((9 + 12) * 7), "twelve working days from the 13th on"


def test_without_days_behind_it_there_is_no_interval():
    at = datetime(2026, 11, 20, tzinfo=UTC)
    assert (forecast({}, at=at).forecast_usd, forecast({}, at=at).low_usd) == (0, None)
    assert forecast({date(2026, 11, 19): 5.0}, at=at).high_usd is None
    assert forecast({date(2026, 11, 19): 5.0}, at=at).forecast_usd == pytest.approx(5 + 11 * 5)


def test_days_before_the_first_cost_are_not_days_without_cost():
    daily = {date(2026, 11, 16) + timedelta(days=n): 8.0 for n in range(4)}
    assert forecast(daily, at=datetime(2026, 11, 20, tzinfo=UTC)).forecast_usd == pytest.approx(32 + 11 * 8)


@pytest.mark.parametrize(("freedom", "quantile"), [(3, 1.638), (5, 1.476), (10, 1.372), (27, 1.314), (1000, 1.282)])
def test_students_quantile_is_the_tables(freedom: int, quantile: float):
    assert _student(0.9, freedom) == pytest.approx(quantile, abs=0.02)


def lognormal(random_: random.Random, _before: float) -> float:
    return random_.lognormvariate(2, 0.5)


def following(random_: random.Random, before: float) -> float:
    return max(0.0, 10 + 0.6 * (before - 10) + random_.gauss(0, 2))


def bursts(random_: random.Random, _before: float) -> float:
    return 40.0 if random_.random() < 0.15 else 5.0


@pytest.mark.parametrize("world", [lognormal, following, bursts])
@pytest.mark.parametrize("day_of_month", [5, 15, 25])
def test_four_times_out_of_five_the_end_is_within_the_interval(world: World, day_of_month: int):
    random_ = random.Random(day_of_month)
    within = 0
    for _ in range(400):
        daily, before = {}, 10.0
        day = date(2026, 10, 1)
        while day <= MONTH_END:
            daily[day] = before = world(random_, before) * (0.4 if day.weekday() >= 5 else 1.0)
            day += timedelta(days=1)
        end = sum(cost for day, cost in daily.items() if day.month == 11)
        known = {day: cost for day, cost in daily.items() if day < date(2026, 11, day_of_month)}
        result = forecast(known, at=datetime(2026, 11, day_of_month, tzinfo=UTC))
        assert result.low_usd is not None
        assert result.high_usd is not None
        within += result.low_usd <= end <= result.high_usd
    assert 0.7 <= within / 400 <= 0.93, within / 400
