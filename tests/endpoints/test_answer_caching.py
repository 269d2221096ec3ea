"""The same deterministic request again, over HTTP: it is written once, by the real engine, and charged once."""

import json
from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web

GENERATE = {"prompt": "Name a colour.", "choice": ["red", "green"], "max_tokens": 8, "temperature": 0}
CHAT = {
    "model": "SmolLM2-135M-Instruct",
    "messages": [{"role": "user", "content": "Name a colour."}],
    "max_tokens": 4,
    "seed": 7,
    "temperature": 0.5,
}


async def again(web: Web, client: httpx.AsyncClient, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    """The answer, after what the last one left to do is done."""
    await web.services.afterwards.close()
    response = await client.post(path, json=body, headers={name.replace("_", "-"): v for name, v in headers.items()})
    assert response.status_code == 200, response.text
    return response


async def used(web: Web, client: httpx.AsyncClient) -> dict[str, Any]:
    """Today's sums, after what the last answer left to do is done."""
    await web.services.afterwards.close()
    today: dict[str, Any] = (await client.get("/api/usage")).json()["days"][0]
    return today


async def test_the_same_request_again_is_answered_from_the_cache_and_charged_once(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    first = await again(web_with_engine, client, "/api/generate", GENERATE)
    usage = await used(web_with_engine, client)
    second = await again(web_with_engine, client, "/api/generate", GENERATE)
    assert (first.json()["cached"], second.json()["cached"]) == (False, True)
    assert (first.headers["cache-status"], second.headers["cache-status"]) == ("lift-sys; fwd=miss", "lift-sys; hit")
    assert second.json()["text"] == first.json()["text"]
    assert second.json()["id"] != first.json()["id"]
    after = await used(web_with_engine, client)
    assert (after["generations"], after["cache_hits"]) == (usage["generations"] + 1, usage["cache_hits"] + 1)
    for counted in ("prompt_tokens", "completion_tokens", "gpu_seconds"):
        assert after[counted] == usage[counted]


async def test_a_stream_is_given_again_as_a_stream(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    first = await again(web_with_engine, client, "/v1/chat/completions", CHAT)
    streamed = await again(web_with_engine, client, "/v1/chat/completions", CHAT | {"stream": True})
    assert streamed.headers["cache-status"] == "lift-sys; hit"
    chunks = [json.loads(line[6:]) for line in streamed.text.splitlines() if line.startswith("data: {")]
    choices = [choice for chunk in chunks for choice in chunk["choices"]]
    text = "".join(choice["delta"].get("content") or "" for choice in choices)
    assert text == first.json()["choices"][0]["message"]["content"]
    assert choices[-1]["finish_reason"] == first.json()["choices"][0]["finish_reason"]
    assert streamed.text.endswith("data: [DONE]\n\n")


async def test_nobody_gets_another_users_answer(web_with_engine: Web):
    for _ in range(2):
        _, client = await web_with_engine.user_client()
        response = await again(web_with_engine, client, "/api/generate", GENERATE)
        assert response.headers["cache-status"] == "lift-sys; fwd=miss"


@pytest.mark.parametrize(("asked", "is_kept"), [("no-cache", True), ("no-store", False)])
async def test_a_request_may_opt_out(web_with_engine: Web, asked: str, *, is_kept: bool):
    _, client = await web_with_engine.user_client()
    for _ in range(2):
        response = await again(web_with_engine, client, "/api/generate", GENERATE, cache_control=asked)
        assert not response.json()["cached"]
        assert "cache-status" not in response.headers
    response = await again(web_with_engine, client, "/api/generate", GENERATE)
    assert response.json()["cached"] == is_kept


async def test_what_is_drawn_without_a_seed_is_drawn_anew(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    for _ in range(2):
        response = await again(web_with_engine, client, "/api/generate", GENERATE | {"temperature": 0.3})
        assert not response.json()["cached"]
        assert "cache-status" not in response.headers
