"""Lists by cursor: where a page ended, as a text that is opaque to clients."""

import base64
import json
import uuid
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from functions.failures import Refused

Item = TypeVar("Item")
LONGEST_CURSOR = 512
_NOT_OURS = "the cursor is not one that a list of this kind gave"


class Page(BaseModel, Generic[Item]):
    """Items, and the cursor of the next page: null on the last one."""

    model_config = ConfigDict(frozen=True)

    items: list[Item]
    next_cursor: str | None


def cursor_of(position: Any) -> str | None:
    """A cursor for the last position of a page, as the database gave it (null: it was the last page)."""
    if position is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(position, separators=(",", ":")).encode()).decode().rstrip("=")


def position_of(cursor: str | None, shape: type[Any]) -> Any:
    """The position that `cursor` stands for, an instance of `shape`. Raises `Refused`."""
    if cursor is None:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:  # not base64, not UTF-8, not JSON
        position = None
    if len(cursor) > LONGEST_CURSOR or not isinstance(position, shape):
        raise Refused("/cursor", _NOT_OURS)
    return position


class Instant(BaseModel):
    """A place in a list that is in order of time, where ids part what was made at once."""

    created_at: datetime
    id: uuid.UUID


def instant_of(cursor: str | None) -> Instant | None:
    """The place that `cursor` stands for. Raises `Refused`."""
    position = position_of(cursor, dict)
    try:
        return None if position is None else Instant.model_validate(position)
    except ValidationError:
        raise Refused("/cursor", _NOT_OURS) from None
