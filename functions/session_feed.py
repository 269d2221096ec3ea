"""What happens to a session, as it happens: one interface, whatever tells of it.

Here it is the database that is asked, again and again; docs/decisions/0004-events-are-polled.md says why.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from functions.callers import Caller
from functions.sessions import SessionEvent, SessionStore

POLL_S = 1.0
"""How often the database is asked. Each question is one indexed look-up, judged by row-level security anew."""
PAGE = 100

CurrentCaller = Callable[[], Awaitable[Caller]]
"""The caller, by credentials that are judged anew with each call. Raises `Unauthenticated` when they hold no more."""


@dataclass(frozen=True)
class Position:
    """The current version, and the number of the last event, 0 before the first."""

    version: int
    last_event_id: int


class SessionFeed(Protocol):
    """A session's events, in their order, each once. All raise `NotFound` for who may not (or no longer) read it."""

    async def position(self, caller: Caller, session_id: str) -> Position:
        """Where the session stands now."""
        ...

    def follow(self, caller: CurrentCaller, session_id: str, *, after: int) -> AsyncIterator[SessionEvent]:
        """Every event with a number greater than `after`, past ones first; it ends only by a failure."""
        ...


class PolledSessionFeed:
    """A `SessionFeed` that asks the store once in `poll_s`, at once again while there is more."""

    def __init__(self, sessions: SessionStore, *, poll_s: float = POLL_S) -> None:
        self._sessions = sessions
        self._poll_s = poll_s

    async def position(self, caller: Caller, session_id: str) -> Position:
        """See `SessionFeed`."""
        version, last_event_id = await self._sessions.position(caller, session_id)
        return Position(version, last_event_id)

    async def follow(self, caller: CurrentCaller, session_id: str, *, after: int) -> AsyncIterator[SessionEvent]:
        """See `SessionFeed`."""
        while True:
            events = await self._sessions.events(await caller(), session_id, after=after, limit=PAGE)
            for event in events:
                yield event
                after = event.id
            if len(events) < PAGE:
                await asyncio.sleep(self._poll_s)
