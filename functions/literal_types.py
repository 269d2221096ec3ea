"""The types that literals are of, as people write them in annotations."""

from collections.abc import Iterable
from typing import Any


def type_of(values: Iterable[Any]) -> str | None:
    """The narrowest type that is written with builtins and has all `values`; None for what has no such type.

    An empty container says nothing of what is in it: it is of the type of the others, or of `object`.
    """
    found = list(values)
    if not found:
        return None
    if any(value is None for value in found):
        rest = [value for value in found if value is not None]
        inner = type_of(rest)
        return "None" if not rest else inner and f"{inner} | None"
    kinds = {type(value) for value in found}
    if kinds == {int, float}:
        return "float"
    if len(kinds) > 1:
        parts = [type_of(value for value in found if type(value) is kind) for kind in sorted(kinds, key=str)]
        return " | ".join(part for part in parts if part) if all(parts) else None
    return _of_one_kind(kinds.pop(), found)


def _of_one_kind(kind: type, values: list[Any]) -> str | None:
    if kind in (int, float, str, bool, bytes, complex):
        return kind.__name__
    if kind in (list, set, frozenset):
        return f"{kind.__name__}[{_inner(item for value in values for item in value)}]"
    if kind is dict:
        keys = _inner(key for value in values for key in value)
        return f"dict[{keys}, {_inner(item for value in values for item in value.values())}]"
    if kind is tuple:
        lengths = {len(value) for value in values}
        if len(lengths) == 1 and lengths != {0}:
            return f"tuple[{', '.join(_inner(column) for column in zip(*values, strict=True))}]"
        return f"tuple[{_inner(item for value in values for item in value)}, ...]"
    return None


def _inner(items: Iterable[Any]) -> str:
    return type_of(items) or "object"
