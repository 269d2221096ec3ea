import asyncio
from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web


async def found(client: httpx.AsyncClient, q: str, count: int) -> list[dict[str, Any]]:
    """The items, when there are `count` of them: embeddings are written after the answers."""
    async with asyncio.timeout(60):
        while True:
            response = await client.get("/api/sessions/search", params={"q": q, "limit": max(count, 1)})
            assert response.status_code == 200, response.text
            if len(response.json()["items"]) == count:
                return list(response.json()["items"])
            await asyncio.sleep(0.1)


async def test_sessions_are_found_by_meaning_by_their_owner_alone(web: Web):
    _, alice = await web.user_client()
    _, bob = await web.user_client()
    prompts = ["remove duplicate entries from a list", "write entries of a list to a file", "find the shortest path"]
    for prompt in prompts:  # the engine is cold: the orders fail, and are kept
        assert (await alice.post("/api/sessions", json={"prompt": prompt})).status_code == 503
    items = await found(alice, "drop repeated items of an array", 3)
    assert items[0]["session"]["prompt"] == prompts[0]
    similarities = [item["similarity"] for item in items]
    assert similarities == sorted(similarities, reverse=True)
    assert await found(bob, "drop repeated items of an array", 0) == []


@pytest.mark.parametrize("query", ["", "q=", "q=%20", "q=a&limit=0", "q=a&limit=101", "q=" + "a" * 2001])
async def test_questions_that_are_none_are_refused(web: Web, query: str):
    _, client = await web.user_client()
    response = await client.get(f"/api/sessions/search?{query}")
    assert response.status_code == 422


async def test_strangers_search_nothing(web: Web):
    assert (await web.client().get("/api/sessions/search?q=a")).status_code == 401
