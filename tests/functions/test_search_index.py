"""What is written becomes findable by itself, and a model that fails fails nobody."""

import asyncio
from collections.abc import Sequence

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.embeddings import Embedded
from functions.search_index import SearchIndex
from functions.sentence_model import SentenceModel
from functions.session_search import SessionSearch
from functions.sessions import NewSession, SessionChanges, SessionStore


class Counted:
    """The model, with a count of what it was asked; it fails as often as it is told to."""

    def __init__(self, embedder: SentenceModel, *, failures: int = 0) -> None:
        self.asked: list[int] = []
        self._embedder = embedder
        self._failures = failures

    async def embed(self, texts: Sequence[str]) -> Embedded:
        self.asked.append(len(texts))
        if len(self.asked) <= self._failures:
            raise OSError("no such model")
        return await self._embedder.embed(texts)


async def test_versions_in_a_row_are_embedded_once_together_with_other_sessions(
    data: Database, embedder: SentenceModel, alice: Caller
):
    counted = Counted(embedder)
    search = SessionSearch(data, counted)
    index = SearchIndex(search)
    store = SessionStore(data, written=index.note)
    first = await store.create(alice, NewSession(prompt="sort the words of a sentence"))
    await store.save(alice, first.id, expected_version=1, changes=SessionChanges(prompt="find the shortest path"))
    await store.create(alice, NewSession(prompt="parse a date from text"))
    await index.close(within_s=60)
    assert counted.asked == [2]
    (hit,) = await search.nearest(alice, "route through a graph with the least length", limit=1)
    assert hit.session.prompt == "find the shortest path"
    assert hit.session.version == 2


async def test_after_a_failure_the_next_sessions_are_embedded(
    data: Database, embedder: SentenceModel, alice: Caller, caplog: pytest.LogCaptureFixture
):
    counted = Counted(embedder, failures=1)
    search = SessionSearch(data, counted)
    index = SearchIndex(search, delay_s=0)
    store = SessionStore(data, written=index.note)
    await store.create(alice, NewSession(prompt="lost on the way"))
    async with asyncio.timeout(30):
        while not counted.asked:  # noqa: ASYNC110 - of a task that has no event for it
            await asyncio.sleep(0.01)
    await store.create(alice, NewSession(prompt="sort a list"))
    await index.close(within_s=60)
    assert [hit.session.prompt for hit in await search.nearest(alice, "sort a list")] == ["sort a list"]
