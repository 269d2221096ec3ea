"""Answers to deterministic requests, kept: the same request again costs no engine.

A request is deterministic at temperature 0, or with a seed. It is the same one when the same user (or, where the
settings share answers between users, anybody) asks the same model with the same messages, constraint and sampling.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import Field, TypeAdapter

from functions.cache import Cache, CacheStatistics, Store
from functions.generation import CandidateFinished, Delta, GenerationEvent, GenerationRequest
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import AnswerCacheSettings, EngineSettings

_VERSION: Final = "1"
_EVENTS: Final[TypeAdapter[list[GenerationEvent]]] = TypeAdapter(
    list[Annotated[GenerationEvent, Field(discriminator="type")]]
)


class AnswerCache:
    """What engines wrote, by who asked what. A broken store makes a miss, never an error."""

    def __init__(self, store: Store, settings: AnswerCacheSettings, engine: EngineSettings) -> None:
        self._settings = settings
        self._model = [engine.model, engine.revision, engine.dtype]
        self._cache = Cache(store, name=names.ANSWERS, version=_VERSION, max_age_s=settings.max_age_s)

    @property
    def statistics(self) -> CacheStatistics:
        """Hits and misses of this process."""
        return self._cache.statistics

    def key(self, user_id: str, request: GenerationRequest) -> str | None:
        """What the answer is kept under; None for a request whose answers differ from time to time."""
        sampling = request.sampling
        if not self._settings.enabled or (sampling.temperature > 0 and sampling.seed is None):
            return None
        whose = None if self._settings.shared_between_users else user_id
        asked = request.model_dump(mode="json", exclude={"id", "timeout_s", "constraint"})
        digest = None if request.constraint is None else request.constraint.digest
        return json.dumps([whose, self._model, digest, asked])

    async def find(self, key: str) -> list[GenerationEvent] | None:
        """The events of an answer that was kept: one `Delta` for each candidate that wrote something."""
        found = await self._cache.get(key)
        telemetry.instruments().cache_lookups.add(1, {names.CACHE: names.ANSWERS, names.HIT: found is not None})
        return None if found is None else _EVENTS.validate_json(found)

    async def keep(self, key: str, events: Sequence[GenerationEvent]) -> None:
        """Keep a whole answer. One that was broken off is none."""
        ends = [event for event in events if isinstance(event, CandidateFinished)]
        if all(end.finish_reason != "abort" for end in ends):
            await self._cache.put(key, _EVENTS.dump_json(_joined(events)))


def _joined(events: Sequence[GenerationEvent]) -> list[GenerationEvent]:
    """The same answer, with each candidate's text in one piece."""
    texts: dict[int, list[Delta]] = {}
    rest: list[GenerationEvent] = []
    for event in events:
        if isinstance(event, Delta):
            texts.setdefault(event.index, []).append(event)
        else:
            rest.append(event)
    whole = [
        Delta(
            index=index,
            text="".join(piece.text for piece in pieces),
            tokens=sum(piece.tokens for piece in pieces),
            logprobs=tuple(logprob for piece in pieces for logprob in piece.logprobs),
        )
        for index, pieces in texts.items()
    ]
    return [*whole, *rest]
