"""Search by meaning, exact and by graph, under the policies. Vectors stand for texts here: no model is loaded."""

import random
from collections.abc import Sequence

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.embeddings import DIMENSIONS, MODEL, Embedded
from functions.failures import Refused
from functions.session_search import SessionSearch, meaning
from functions.sessions import NewSession, SessionChanges, SessionStore
from functions.sharing import Sharing
from tests.database_fixtures import Stack


class WordVectors:
    """Texts with words in common are near each other; it knows nothing of meaning."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        return Embedded([self._vector(text) for text in texts], len(texts))

    @staticmethod
    def _vector(text: str) -> list[float]:
        vector = [0.0] * DIMENSIONS
        for word in text.split():
            dice = random.Random(word)
            vector = [total + dice.gauss(0, 1) for total in vector]
        return vector


@pytest.fixture
def search(data: Database) -> SessionSearch:
    return SessionSearch(data, WordVectors())


async def test_the_nearest_come_first_and_only_ones_own(
    search: SessionSearch, sessions: SessionStore, sharing_viewer: None, alice: Caller, bob: Caller
):
    del sharing_viewer
    for prompt in ("sort a list", "reverse a string", "sort a dictionary by value"):
        await search.embed([(alice, await sessions.create(alice, NewSession(prompt=prompt)))])
    hits = await search.nearest(alice, "sort a list", limit=2)
    assert [hit.session.prompt for hit in hits] == ["sort a list", "sort a dictionary by value"]
    assert hits[0].similarity == pytest.approx(1, abs=1e-5)
    assert await search.nearest(bob, "sort a list") == []


@pytest.fixture
async def sharing_viewer(
    data: Database, search: SessionSearch, sessions: SessionStore, alice: Caller, bob: Caller
) -> None:
    """Bob may see one of Alice's sessions; search is over one's own all the same."""
    shared = await sessions.create(alice, NewSession(prompt="parse a date"))
    await search.embed([(alice, shared)])
    await Sharing(data).share(alice, shared.id, role="viewer", user_id=bob.user_id)


async def test_the_graph_finds_what_comparing_all_finds(
    data: Database, search: SessionSearch, sessions: SessionStore, alice: Caller
):
    for number in range(60):
        prompt = f"task {number} {number % 7} {number % 11}"
        await search.embed([(alice, await sessions.create(alice, NewSession(prompt=prompt)))])
    ((vector,), _) = await WordVectors().embed(["task 3 4 5"])
    found = []
    for exact_up_to in (1000, 0):
        arguments = {"p_embedding": vector, "p_model": MODEL, "p_limit": 10, "p_exact_up_to": exact_up_to}
        rows = await data.call("search_sessions", arguments, token=alice.token, idempotent=True)
        found.append([row["session"]["id"] for row in rows])
    assert len(found[0]) == 10
    assert found[0] == found[1]


async def test_the_later_version_stays(search: SessionSearch, sessions: SessionStore, alice: Caller):
    first = await sessions.create(alice, NewSession(prompt="sort a list"))
    changes = SessionChanges(prompt="reverse a string")
    second = await sessions.save(alice, first.id, expected_version=1, changes=changes)
    for version in (second, first):
        await search.embed([(alice, version)])
    (hit,) = await search.nearest(alice, "reverse a string")
    assert hit.similarity == pytest.approx(1, abs=1e-5)


async def test_what_is_not_ones_own_is_not_embedded(
    search: SessionSearch, sessions: SessionStore, alice: Caller, bob: Caller
):
    session = await sessions.create(alice, NewSession(prompt="x"))
    gone = await sessions.create(alice, NewSession(prompt="y"))
    await sessions.delete(alice, gone.id)
    assert await search.embed([(bob, session), (alice, gone), (alice, session)]) == 1
    assert [hit.session.id for hit in await search.nearest(alice, "x")] == [session.id]


async def test_a_job_embeds_what_has_no_embedding_of_its_newest_version(
    search: SessionSearch, sessions: SessionStore, alice: Caller, stack: Stack
):
    first = await sessions.create(alice, NewSession(prompt="sort a list"))
    await search.embed([(alice, first)])
    await sessions.save(alice, first.id, expected_version=1, changes=SessionChanges(prompt="parse a date"))
    await sessions.create(alice, NewSession(prompt="reverse a string"))
    assert await search.embed_missing(stack.service_role_key) == 2
    assert await search.embed_missing(stack.service_role_key) == 0
    assert (await search.nearest(alice, "parse a date"))[0].session.id == first.id


@pytest.mark.parametrize("vector", [[], [1.0], ["a"] * DIMENSIONS, None])
async def test_what_is_no_vector_is_refused(data: Database, alice: Caller, vector: object):
    with pytest.raises(Refused):
        await data.call("search_sessions", {"p_embedding": vector, "p_model": MODEL}, token=alice.token)


def test_a_summary_goes_before_the_prompt():
    assert meaning("p", None) == "p"
    assert meaning("p", "s") == "s\np"
