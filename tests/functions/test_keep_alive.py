from datetime import UTC, datetime

import pytest

from functions.keep_alive import warm_containers
from infra.settings import WarmHours, load_settings

WEEKDAYS = WarmHours(days=[0, 1, 2, 3, 4], from_hour=8, until_hour=18, containers=1)
LAUNCH_DAY = WarmHours(days=[2], from_hour=9, until_hour=12, containers=3)
SETTINGS = load_settings("production").keep_alive
BERLIN = SETTINGS.model_copy(update={"timezone": "Europe/Berlin", "warm_hours": [WEEKDAYS, LAUNCH_DAY]})


@pytest.mark.parametrize(
    ("at", "wanted"),
    [
        (datetime(2026, 11, 23, 7, 30, tzinfo=UTC), 1),  # Monday, half past eight in Berlin
        (datetime(2026, 11, 23, 6, 59, tzinfo=UTC), 0),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), 0),  # `until_hour` is not included
        (datetime(2026, 7, 20, 6, 30, tzinfo=UTC), 1),  # summer time
        (datetime(2026, 11, 25, 8, 0, tzinfo=UTC), 3),  # Wednesday: the most that any row asks for
        (datetime(2026, 11, 28, 10, 0, tzinfo=UTC), 0),  # Saturday
    ],
)
def test_the_timetable_is_followed_in_its_own_time_zone(at: datetime, wanted: int):
    assert warm_containers(BERLIN, at=at, at_least=0) == wanted


def test_it_never_goes_below_what_the_settings_keep_anyway():
    at_night = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert warm_containers(BERLIN, at=at_night, at_least=2) == 2
    assert warm_containers(SETTINGS, at=at_night, at_least=1) == 1
