"""Places for streams that last for hours: they must not take those of requests that last for seconds, nor all be one's.

A server has so many; each user may have a part of them.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from functions.callers import Caller
from functions.failures import TooManyAtOnce, Unavailable

SHARE = 5
"""A user may have this part of the places: five who take all that they may have them all, one does not."""
RETRY_AFTER_S = 5.0


class Watchers:
    """The places of one server, `limit` of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._each = max(1, limit // SHARE)
        self._taken: Counter[str] = Counter()

    def require(self, caller: Caller) -> None:
        """Raises `TooManyAtOnce` when the caller has all that one user may have, `Unavailable` when none is left."""
        if self._taken[caller.user_id] >= self._each:
            raise TooManyAtOnce("watching", self._each, window_s=0, remaining=0, retry_after_s=RETRY_AFTER_S)
        if self._taken.total() >= self._limit:
            raise Unavailable("watching", "as many streams are open here as may be", retry_after_s=RETRY_AFTER_S)

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """One place while the block runs. Raises as `require` does."""
        self.require(caller)
        self._taken[caller.user_id] += 1
        try:
            yield
        finally:
            self._taken[caller.user_id] -= 1
            self._taken += Counter()  # forgets who has none
