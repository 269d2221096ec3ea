"""When engines are kept warm: a timetable."""

from datetime import datetime
from zoneinfo import ZoneInfo

from infra.settings import KeepAliveSettings


def warm_containers(settings: KeepAliveSettings, *, at: datetime, at_least: int) -> int:
    """How many engines to keep warm at a moment (with its time zone): the most that any matching row asks for."""
    local = at.astimezone(ZoneInfo(settings.timezone))
    asked = [
        row.containers
        for row in settings.warm_hours
        if local.weekday() in row.days and row.from_hour <= local.hour < row.until_hour
    ]
    return max([at_least, *asked])
