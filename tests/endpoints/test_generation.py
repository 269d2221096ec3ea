"""POST /api/generate as far as no engine is needed; with one: test_generation_with_engine.py."""

from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web


@pytest.fixture
async def client(web: Web) -> httpx.AsyncClient:
    _, client = await web.user_client()
    return client


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, ""),
        ({"prompt": ""}, "/prompt"),
        ({"messages": []}, "/messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "/messages/0/role"),
        ({"prompt": "x", "regex": "a", "choice": ["b"]}, ""),
        ({"prompt": "x", "colour": "red"}, "/colour"),
        ({"prompt": "x", "max_tokens": 0}, "/max_tokens"),
        ({"prompt": "x", "max_tokens": 10**9}, "/max_tokens"),
        ({"prompt": "x", "temperature": 3}, "/temperature"),
        ({"prompt": "x", "top_p": 0}, "/top_p"),
        ({"prompt": "x", "seed": -1}, "/seed"),
        ({"prompt": "x", "stop": [""]}, "/stop/0"),
        ({"prompt": "x", "choice": []}, "/choice"),
    ],
)
async def test_a_request_of_another_shape_is_refused_with_its_place(
    client: httpx.AsyncClient, body: dict[str, Any], pointer: str
):
    response = await client.post("/api/generate", json=body)
    assert response.status_code == 422
    assert pointer in {error.get("pointer") for error in response.json()["errors"]}


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
@pytest.mark.parametrize(
    ("constraint", "pointer"),
    [
        ({"json_schema": {"type": "object", "properties": {"a": {"not": {}}}}}, "/json_schema"),
        ({"json_schema": {"$ref": "#"}}, "/json_schema"),
        ({"grammar": "start: nothing"}, "/grammar"),
        ({"grammar": "start: start"}, "/grammar"),
        ({"regex": "(?=a)b"}, "/regex"),
        ({"regex": "a{1000000}"}, "/regex"),
        ({"choice": ["a"] * 3000}, "/choice"),
    ],
)
async def test_a_constraint_that_cannot_be_enforced_is_refused_before_any_engine(
    client: httpx.AsyncClient, constraint: dict[str, Any], pointer: str, accept: str
):
    response = await client.post("/api/generate", json={"prompt": "x", **constraint}, headers={"accept": accept})
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["errors"][0]["pointer"].startswith(pointer)
    assert response.json()["detail"]


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
async def test_a_cold_engine_is_503_with_when_to_come_back(client: httpx.AsyncClient, accept: str):
    response = await client.post("/api/generate", json={"prompt": "x"}, headers={"accept": accept})
    assert response.status_code == 503
    assert response.headers["retry-after"] == "30"
    assert response.json()["type"] == "/docs/problems#engine-unavailable"


async def test_what_never_began_costs_nothing_and_leaves_nothing_reserved(client: httpx.AsyncClient):
    for body in ({"prompt": "x"}, {"prompt": "x", "grammar": "start: nothing"}):
        await client.post("/api/generate", json=body)
    usage = (await client.get("/api/usage")).json()
    assert all(budget["reserved_usd"] == 0 and budget["spent_usd"] == 0 for budget in usage["budgets"])
    assert all(day["running"] == 0 and day["cost_usd"] == 0 for day in usage["days"])


async def test_generations_are_limited_by_the_minute(strict_web: Web):
    _, client = await strict_web.user_client()
    answers = [await client.post("/api/generate", json={"prompt": "x"}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [503, 503, 503, 429]
    assert answers[-1].headers["ratelimit-policy"] == '"generations";q=3;w=60'
