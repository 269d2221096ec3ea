"""Two changes of one JSON value put together (a three-way merge): what both touched is told, nothing is lost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.json_values import among, same

_ABSENT = object()


@dataclass(frozen=True)
class Clash:
    """A place that both changed, each in another way. `path` is a JSON pointer; a side that removed it has None."""

    path: str
    mine: Any
    theirs: Any


@dataclass(frozen=True)
class Merged:
    """`value` has all changes of both sides; where they clash, mine."""

    value: Any
    clashes: list[Clash]


def merge(base: Any, mine: Any, theirs: Any) -> Merged:
    """What `mine` and `theirs` both make of `base`.

    Arrays are merged as ordered sets: an item that either side added is there, one that either removed is not. Items
    that are objects with a `name` or an `id` are merged by it, and it stands in the path instead of the index.
    """
    clashes: list[Clash] = []
    return Merged(_merge("", base, mine, theirs, clashes), clashes)


def _merge(path: str, base: Any, mine: Any, theirs: Any, clashes: list[Clash]) -> Any:
    if same(mine, theirs) or same(mine, base):
        return theirs
    if same(theirs, base):
        return mine
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        return _merge_members(path, base if isinstance(base, Mapping) else {}, mine, theirs, clashes)
    if isinstance(mine, list) and isinstance(theirs, list):
        before = base if isinstance(base, list) else []
        named_before, named_mine, named_theirs = _by_name(before), _by_name(mine), _by_name(theirs)
        if named_before is None or named_mine is None or named_theirs is None:
            return _merge_items(before, mine, theirs)
        return list(_merge_members(path, named_before, named_mine, named_theirs, clashes).values())
    clashes.append(Clash(path, _shown(mine), _shown(theirs)))
    return mine


def _merge_members(
    path: str, base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any], clashes: list[Clash]
) -> dict[str, Any]:
    merged = {}
    for key in {**theirs, **mine}:
        place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        before = base.get(key, _ABSENT)
        value = _merge(place, before, mine.get(key, _ABSENT), theirs.get(key, _ABSENT), clashes)
        if value is not _ABSENT:
            merged[key] = value
    return merged


def _merge_items(base: Sequence[Any], mine: Sequence[Any], theirs: Sequence[Any]) -> list[Any]:
    kept = [item for item in theirs if among(item, mine) or not among(item, base)]
    return kept + [item for item in mine if not among(item, theirs) and not among(item, base)]


def _by_name(items: Sequence[Any]) -> dict[str, Any] | None:
    """The items by what tells them apart; None where nothing does."""
    for identity in ("id", "name"):
        keys = [item.get(identity) if isinstance(item, Mapping) else None for item in items]
        if all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
            return dict(zip([str(key) for key in keys], items, strict=True))
    return None


def _shown(value: Any) -> Any:
    return None if value is _ABSENT else value
