"""What is refused under /v1, in OpenAI's shape: no engine is needed to say no."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from endpoints.app import create_app
from endpoints.openai.routers import OPENAI_ROUTERS
from tests.endpoints.conftest import Web

USER = [{"role": "user", "content": "x"}]
NOT_ENFORCEABLE = {"type": "object", "properties": {"a": {"not": {}}}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
BAD_TOOL = {"type": "function", "function": {"name": "g", "parameters": NOT_ENFORCEABLE}}


@pytest.fixture
async def client(web: Web) -> httpx.AsyncClient:
    _, client = await web.user_client()
    return client


@pytest.fixture
def poor_web(web: Web) -> Web:
    """As `web`, where a second of the engine costs more than anybody's budget."""
    settings = web.services.settings
    prices = settings.prices.model_copy(update={"gpu_usd_per_hour": {"cpu": 1e9}})
    services = replace(web.services, settings=settings.model_copy(update={"prices": prices}))
    return replace(web, services=services, app=create_app(services))


def model_of(web: Web) -> str:
    return web.services.settings.engine.model


def error_of(response: httpx.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"]
    document = response.json()
    assert document.keys() == {"error"}
    error: dict[str, Any] = document["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"]
    return error


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "assistant"}]}, "messages[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]},
            "messages[0].content[0]",
        ),
        ({"colour": "red"}, "colour"),
        ({"top_k": 5}, "top_k"),
        ({"functions": []}, "functions"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 10**9}, "max_tokens"),
        ({"max_completion_tokens": 10**9}, "max_completion_tokens"),
        ({"max_tokens": 1, "max_completion_tokens": 2}, None),
        ({"temperature": 3}, "temperature"),
        ({"n": 129}, "n"),
        ({"stop": [""]}, "stop[0]"),
        ({"top_logprobs": 2}, None),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"modalities": ["audio"]}, None),
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs"),
        ({"response_format": {"type": "json_object"}, "structured_outputs": {"regex": "a"}}, "structured_outputs"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "h"}}}, "tool_choice"),
        ({"tools": [TOOL, TOOL]}, "tools[1].function.name"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "h"}}},
            "tool_choice.function.name",
        ),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL], "structured_outputs": {"regex": "a"}}, "tools"),
    ],
)
async def test_a_request_of_another_shape_is_refused_with_its_place(
    web: Web, client: httpx.AsyncClient, body: dict[str, Any], param: str | None, *, stream: bool
):
    asked = {"model": model_of(web), "messages": USER, "stream": stream, **body}
    error = error_of(await client.post("/v1/chat/completions", json=asked), 400)
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


async def test_a_picture_is_refused_in_plain_words(web: Web, client: httpx.AsyncClient):
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": "https://a/b"}}]
    body = {"model": model_of(web), "messages": [{"role": "user", "content": content}]}
    error = error_of(await client.post("/v1/chat/completions", json=body), 400)
    assert "'image_url' are not taken: this model reads text alone" in error["message"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("body", "param"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": NOT_ENFORCEABLE}}},
            "response_format.json_schema.schema.properties.a.not",
        ),
        ({"structured_outputs": {"json": NOT_ENFORCEABLE}}, "structured_outputs.json.properties.a.not"),
        ({"structured_outputs": {"json": '{"$ref": "#"}'}}, "structured_outputs.json"),
        ({"structured_outputs": {"json": "{"}}, "structured_outputs.json"),
        ({"structured_outputs": {"regex": "(?=a)b"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"regex": "a{1000000}"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"grammar": "start: nothing"}}, "structured_outputs.grammar"),
        ({"structured_outputs": {"choice": ["a"] * 3000}}, "structured_outputs.choice"),
        ({"structured_outputs": {"structural_tag": "[]"}}, "structured_outputs.structural_tag"),
        ({"tools": [TOOL, BAD_TOOL], "tool_choice": "required"}, "tools[1].function.parameters.properties.a.not"),
        ({"tools": [TOOL, BAD_TOOL], "tool_choice": "auto"}, "tools[1].function.parameters.properties.a.not"),
        (
            {"tools": [TOOL, BAD_TOOL], "tool_choice": {"type": "function", "function": {"name": "g"}}},
            "tools[1].function.parameters.properties.a.not",
        ),
        (
            {"tools": [TOOL], "structured_outputs": {"json": '{"properties": {"a": {"maxItems": 100000}}}'}},
            "structured_outputs.json.properties.a.maxItems",
        ),
    ],
)
async def test_a_constraint_that_cannot_be_enforced_is_refused_before_any_engine(
    web: Web, client: httpx.AsyncClient, body: dict[str, Any], param: str, *, stream: bool
):
    asked = {"model": model_of(web), "messages": USER, "stream": stream, **body}
    error = error_of(await client.post("/v1/chat/completions", json=asked), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, "constraint_refused")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": USER}),
        ("completions", {"prompt": "x"}),
        ("responses", {"input": "x"}),
        ("embeddings", {"input": "x"}),
    ],
)
async def test_a_model_that_is_not_served_is_404(client: httpx.AsyncClient, path: str, body: dict[str, Any]):
    error = error_of(await client.post(f"/v1/{path}", json={"model": "gpt-4o", **body}), 404)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", "model", "model_not_found")


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("completions", {"prompt": ["a", "b"]}, "prompt"),
        ("completions", {"prompt": [1, 2]}, "prompt"),
        ("completions", {"prompt": "a", "echo": True}, "echo"),
        ("completions", {"prompt": "a", "suffix": "b"}, "suffix"),
        ("responses", {"input": []}, "input"),
        ("responses", {"input": "a", "previous_response_id": "resp_1"}, "previous_response_id"),
        ("responses", {"input": "a", "tools": [TOOL]}, "tools"),
        ("responses", {"input": "a", "background": True}, "background"),
        ("responses", {"input": [{"type": "function_call_output", "call_id": "c", "output": "o"}]}, None),
        (
            "responses",
            {"input": "a", "text": {"format": {"type": "json_schema", "name": "a", "schema": NOT_ENFORCEABLE}}},
            "text.format.schema.properties.a.not",
        ),
    ],
)
async def test_what_completions_and_responses_do_not_take(
    web: Web, client: httpx.AsyncClient, path: str, body: dict[str, Any], param: str | None
):
    error = error_of(await client.post(f"/v1/{path}", json={"model": model_of(web), **body}), 400)
    assert error["type"] == "invalid_request_error"
    assert param is None or error["param"] == param


@pytest.mark.parametrize("body", [{"input": []}, {"input": ["a"] * 257}, {"input": [[1, 2]]}, {"dimensions": 256}])
async def test_what_embeddings_do_not_take(client: httpx.AsyncClient, body: dict[str, Any]):
    asked = {"model": "all-MiniLM-L6-v2", "input": "x", **body}
    error_of(await client.post("/v1/embeddings", json=asked), 400)


async def test_a_cold_engine_is_503_before_a_stream_begins(web: Web, client: httpx.AsyncClient):
    for stream in (False, True):
        body = {"model": model_of(web), "messages": USER, "stream": stream}
        response = await client.post("/v1/chat/completions", json=body)
        error = error_of(response, 503)
        assert (error["type"], error["code"]) == ("server_error", "engine_unavailable")
        assert response.headers["retry-after"] == "30"
    usage = (await client.get("/api/usage")).json()
    assert all(budget["reserved_usd"] == 0 and budget["spent_usd"] == 0 for budget in usage["budgets"])


async def test_a_stranger_has_no_valid_key(web: Web):
    async with web.client("lsk_unknown") as client:
        for router in OPENAI_ROUTERS:
            for route in router.routes:
                (method,) = route.methods  # type: ignore[attr-defined]
                error = error_of(await client.request(method, route.path), 401)  # type: ignore[attr-defined]
                assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")


async def test_a_key_for_reading_generates_nothing(web: Web):
    _, client = await web.user_client()
    key = (await client.post("/api/keys", json={"name": "reader", "scopes": ["read"]})).json()["key"]
    async with web.client(key) as reader:
        assert (await reader.get("/v1/models")).status_code == 200
        body = {"model": model_of(web), "messages": USER}
        error = error_of(await reader.post("/v1/chat/completions", json=body), 403)
    assert error["code"] == "insufficient_permissions"


async def test_too_many_requests_say_when_to_come_back(strict_web: Web):
    _, client = await strict_web.user_client()
    body = {"model": model_of(strict_web), "messages": USER}
    answers = [await client.post("/v1/chat/completions", json=body) for _ in range(4)]
    error = error_of(answers[-1], 429)
    assert (error["type"], error["code"]) == ("requests", "rate_limit_exceeded")
    headers = answers[-1].headers
    assert 0 < int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "3"
    assert headers["x-ratelimit-remaining-requests"] == "0"
    assert headers["x-ratelimit-reset-requests"].endswith("ms")
    assert "x-should-retry" not in headers


async def test_a_budget_that_is_used_up_is_not_tried_again(poor_web: Web):
    _, client = await poor_web.user_client()
    response = await client.post("/v1/chat/completions", json={"model": model_of(poor_web), "messages": USER})
    error = error_of(response, 429)
    assert (error["type"], error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert response.headers["x-should-retry"] == "false"


async def test_what_no_route_says_has_the_same_shape(client: httpx.AsyncClient):
    error_of(await client.get("/v1/assistants"), 404)
    error_of(await client.get("/v1/chat/completions"), 405)
    error_of(await client.post("/v1/chat/completions", content=b"{", headers={"content-type": "application/json"}), 400)
    error_of(await client.post("/v1/chat/completions", content=b"{}", headers={"content-type": "text/plain"}), 415)
    error_of(await client.post("/v1/chat/completions", json={"messages": "x" * 2_000_000}), 413)


async def test_the_models_by_their_names(web: Web, client: httpx.AsyncClient):
    listed = (await client.get("/v1/models")).json()
    assert [model["id"] for model in listed["data"]] == [model_of(web), "all-MiniLM-L6-v2"]
    short = model_of(web).rpartition("/")[2]
    assert (await client.get(f"/v1/models/{short}")).json() == listed["data"][0]
    error = error_of(await client.get("/v1/models/meta/llama"), 404)
    assert error["code"] == "model_not_found"
