"""What differs between two JSON values, by place: the structural diff of two versions of a specification."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

_IDENTITIES = ("id", "name")
"""Members that tell an array's items apart: a parameter that moves is not a new parameter."""


class Difference(BaseModel):
    """One change on the way from the old value to the new. `path` is a JSON pointer (RFC 6901).

    Items of an array that have an `id` or a `name` are matched by it, and it stands in the path instead of the index.
    """

    op: Literal["add", "remove", "replace"]
    path: str
    old: Any = Field(default=None, description="Absent before an `add`.")
    new: Any = Field(default=None, description="Absent after a `remove`.")


def differences(old: Any, new: Any) -> list[Difference]:
    """The changes that turn `old` into `new`, in the order of their places; empty when they are equal."""
    return list(_compare("", old, new))


def _compare(path: str, old: Any, new: Any) -> Iterator[Difference]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _compare_members(path, old, new)
    elif isinstance(old, list) and isinstance(new, list):
        before, after = _by_identity(old), _by_identity(new)
        if before is None or after is None:
            before, after = dict(enumerate(old)), dict(enumerate(new))
        yield from _compare_members(path, before, after)
    elif type(old) is not type(new) or old != new:
        yield Difference(op="replace", path=path, old=old, new=new)


def _compare_members(path: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Difference]:
    for key in {**old, **new}:
        place = f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"
        if key not in new:
            yield Difference(op="remove", path=place, old=old[key])
        elif key not in old:
            yield Difference(op="add", path=place, new=new[key])
        else:
            yield from _compare(place, old[key], new[key])


def _by_identity(items: Sequence[Any]) -> Mapping[Any, Any] | None:
    for identity in _IDENTITIES:
        keys = [item.get(identity) if isinstance(item, Mapping) else None for item in items]
        if all(isinstance(key, str) for key in keys) and len(set(keys)) == len(keys):
            return dict(zip(keys, items, strict=True))
    return None
