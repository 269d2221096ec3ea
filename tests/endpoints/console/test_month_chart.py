from datetime import UTC, date, datetime, timedelta

import pytest

from endpoints.console.operating import month_chart
from functions.forecast import forecast


def test_the_month_is_drawn_up_to_today_and_from_there_to_its_end_within_the_band():
    first = date(2026, 11, 1)
    daily = {first + timedelta(days=i): 2.0 + i % 3 for i in range(10)}
    expected = forecast(daily, at=datetime(2026, 11, 10, 12, tzinfo=UTC))
    drawn = month_chart((), expected)
    spent, likely, most, least = (one["values"] for one in drawn["series"])
    assert len(drawn["times"]) == 30
    assert spent[9] == likely[9] == expected.spent_usd
    assert spent[10] is None
    assert likely[8] is None
    assert (least[-1], likely[-1], most[-1]) == pytest.approx(
        (expected.low_usd, expected.forecast_usd, expected.high_usd)
    )
