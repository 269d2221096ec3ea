"""Whether the database answers, found out seldom: GET /health is public, and must not become load."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from pydantic import BaseModel

from functions.failures import Failure

DEADLINE_S = 1.0
FRESH_S = 1.0
"""One check answers everyone who asks within this time."""


class DatabaseHealth(BaseModel):
    """Whether the database answered within a second, and how fast."""

    reachable: bool
    latency_ms: float | None = None


class DatabaseCheck:
    """The last answer of `ping` while it is fresh, else a new one, which all who wait share."""

    def __init__(self, ping: Callable[[], Awaitable[float]]) -> None:
        self._ping = ping
        self._checked_at = float("-inf")
        self._health = DatabaseHealth(reachable=False)
        self._lock = asyncio.Lock()

    async def health(self) -> DatabaseHealth:
        """Within `DEADLINE_S`, whatever the database does."""
        async with self._lock:
            if time.monotonic() - self._checked_at >= FRESH_S:
                self._health = await self._check()
                self._checked_at = time.monotonic()
            return self._health

    async def _check(self) -> DatabaseHealth:
        try:
            async with asyncio.timeout(DEADLINE_S):
                seconds = await self._ping()
        except (Failure, TimeoutError):
            return DatabaseHealth(reachable=False)
        return DatabaseHealth(reachable=True, latency_ms=round(seconds * 1000, 2))
