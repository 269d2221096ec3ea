"""Ids, as clients send them."""

import uuid

from functions.failures import NotFound


def identity(text: str, what: str) -> str:
    """`text` as a UUID in its usual form. Raises `NotFound`: nothing has an id that is none."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise NotFound(what) from None
