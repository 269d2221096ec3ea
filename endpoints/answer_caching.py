"""One request's use of the answers that are kept: what its `Cache-Control` asks for, and what came of it (RFC 9111)."""

from collections.abc import Sequence

from starlette.requests import Request

from functions.answer_cache import AnswerCache
from functions.callers import Caller
from functions.generation import GenerationEvent, GenerationRequest

HEADER = "cache-status"
_NAME = "lift-sys"


class AnswerCaching:
    """`no-cache`: the answer is made anew, and kept. `no-store`: it is not kept either."""

    def __init__(self, cache: AnswerCache, caller: Caller, request: Request) -> None:
        asked = {part.strip().lower() for part in request.headers.get("cache-control", "").split(",")}
        self._cache = cache
        self._user_id = caller.user_id
        self._may_find = not asked & {"no-cache", "no-store"}
        self._may_keep = "no-store" not in asked
        self._hits = 0
        self._misses = 0

    @property
    def is_hit(self) -> bool:
        """Whether all that an engine would have been asked was found."""
        return self._hits > 0 and self._misses == 0

    @property
    def headers(self) -> dict[str, str]:
        """`Cache-Status` (RFC 9211), once it is known."""
        if self.is_hit:
            return {HEADER: f"{_NAME}; hit"}
        return {HEADER: f"{_NAME}; fwd=miss"} if self._may_find and self._misses else {}

    def key(self, generation: GenerationRequest) -> str | None:
        """See `AnswerCache.key`; None also where the request wants nothing of the cache."""
        return self._cache.key(self._user_id, generation) if self._may_find or self._may_keep else None

    async def find(self, key: str) -> list[GenerationEvent] | None:
        """The events of an answer that was kept."""
        found = await self._cache.find(key) if self._may_find else None
        if found is None:
            self._misses += 1
        else:
            self._hits += 1
        return found

    async def keep(self, key: str, events: Sequence[GenerationEvent]) -> None:
        """Keep a whole answer."""
        if self._may_keep:
            await self._cache.keep(key, events)
