"""JSON's own idea of what is the same: `true` is not 1, and Python's `==` says it is."""

from collections.abc import Iterable, Mapping
from typing import Any


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal, however deep the difference stands. 1 and 1.0 are one number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same(first, second) for first, second in zip(one, other, strict=True))
    return bool(one == other)


def among(value: Any, values: Iterable[Any]) -> bool:
    """Whether one of them is the same."""
    return any(same(value, each) for each in values)
