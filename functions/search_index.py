"""Keeps sessions findable by what they mean: what was written is embedded soon after it, beside the requests."""

import asyncio
from collections import OrderedDict

import structlog

from functions.callers import Caller
from functions.failures import Failure
from functions.session_search import SessionSearch
from functions.sessions import Session

DELAY_S = 0.5
"""Versions that follow one another faster than this are embedded once, as the last of them."""
BATCH = 32
CAPACITY = 1000
"""Sessions that may wait here. What is left out, or fails, a scheduled job makes up for (`functions.maintenance`)."""

_log = structlog.get_logger()


class SearchIndex:
    """Takes note of written sessions and embeds them in batches, one after another. It never fails who writes."""

    def __init__(self, search: SessionSearch, *, delay_s: float = DELAY_S) -> None:
        self._search = search
        self._delay_s = delay_s
        self._waiting: OrderedDict[str, tuple[Caller, Session]] = OrderedDict()
        self._worker: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    def note(self, caller: Caller, session: Session) -> None:
        """`session` was written by `caller`. Returns at once."""
        known = self._waiting.get(session.id)
        if known is None and len(self._waiting) >= CAPACITY:
            return
        if known is None or known[1].version < session.version:
            self._waiting[session.id] = (caller, session)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def close(self, *, within_s: float = 5) -> None:
        """Embed what still waits, as far as the time goes."""
        self._closing.set()
        if self._worker is not None:
            await asyncio.wait({self._worker}, timeout=within_s)
            self._worker.cancel()

    async def _work(self) -> None:
        while self._waiting:
            await self._pause()
            batch = [self._waiting.popitem(last=False)[1] for _ in range(min(BATCH, len(self._waiting)))]
            try:
                await self._search.embed(batch)
            except Failure as failure:
                _log.warning("sessions not embedded", sessions=len(batch), reason=str(failure))
            except Exception as error:  # noqa: BLE001 - whatever a model's library raises: the next batch may do better
                _log.warning("sessions not embedded", sessions=len(batch), reason=repr(error))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._delay_s):
                await self._closing.wait()
        except TimeoutError:
            pass
