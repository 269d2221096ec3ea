"""What a page gives its charts to draw: days, lines and bars over them, and thresholds."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

Kind = Literal["bars", "line"]
Colour = Literal["accent", "good", "warn", "bad", "muted"]


def last_days(count: int) -> list[date]:
    """The last `count` days (UTC), today included, in their order."""
    today = datetime.now(UTC).date()
    return [today - timedelta(days=ago) for ago in reversed(range(count))]


def series(
    label: str,
    days: Sequence[date],
    values: Mapping[date, float | None],
    *,
    kind: Kind = "line",
    colour: Colour = "accent",
    digits: int = 0,
    empty: float | None = 0,
) -> dict[str, Any]:
    """One line or set of bars; days without a value have `empty` (None leaves a gap)."""
    return {
        "label": label,
        "values": [values.get(day, empty) for day in days],
        "kind": kind,
        "colour": colour,
        "digits": digits,
    }


def chart(
    days: Sequence[date], drawn: Sequence[Mapping[str, Any]], thresholds: Sequence[tuple[str, float]] = ()
) -> dict[str, Any]:
    """The whole chart; a threshold far above all values is left out of sight."""
    return {
        "times": [int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) for day in days],
        "series": list(drawn),
        "thresholds": [{"label": label, "value": value} for label, value in thresholds],
    }
