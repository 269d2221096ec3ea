"""Requests that nobody sends by accident: each gets an answer below 500, quickly, and the next one is served."""

import json
from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web
from tests.endpoints.test_sessions import IR, at, stored

JSON = {"content-type": "application/json"}
DEEP = "[" * 150 + "]" * 150


@pytest.fixture
async def client(web: Web) -> httpx.AsyncClient:
    _, client = await web.user_client()
    return client


@pytest.mark.parametrize(
    "path",
    [
        "/api/sessions?q=%00",
        "/api/sessions?q=%ff%fe",
        "/api/sessions?cursor=%F0%9F%98%80",
        "/api/sessions?cursor=bnVsbA",
        "/api/sessions?cursor=eyJjcmVhdGVkX2F0IjogImFiYyIsICJpZCI6IDF9",
        "/api/sessions?q=" + "%22" * 300,
        "/api/sessions?limit=1e3",
        "/api/sessions/00000000-0000-4000-8000-000000000000/history/99999999999999999999",
        "/api/sessions/00000000-0000-4000-8000-000000000000/diff?from=1&to=-1",
        "/api/usage?days=99999999999",
        "//api/sessions",
        "/api/%2e%2e/sessions",
        "/api/sessions;x=1",
    ],
)
async def test_in_the_address(client: httpx.AsyncClient, path: str):
    response = await client.get(path)
    assert response.status_code < 500, response.text


@pytest.mark.parametrize(
    "headers",
    [
        {"if-match": '"99999999999999999999"'},
        {"if-match": "*"},
        {"if-match": 'W/"1"'},
        {"if-match": ""},
        {"idempotency-key": "x" * 300, "if-match": '"1"'},
        {"accept": "text/event-stream;" * 500, "if-match": '"1"'},
        {"traceparent": "00-" + "f" * 5000, "if-match": '"1"'},
    ],
)
async def test_in_the_headers(client: httpx.AsyncClient, headers: dict[str, str]):
    response = await client.patch(
        "/api/sessions/00000000-0000-4000-8000-000000000000", json={"prompt": "x"}, headers=headers
    )
    assert response.status_code < 500, response.text


@pytest.mark.parametrize(
    "headers",
    [{"idempotency-key": ""}, {"idempotency-key": "x" * 300}, {"idempotency-key": "\u00e4".encode("latin-1")}],
)
async def test_in_the_idempotency_key(client: httpx.AsyncClient, headers: dict[str, Any]):
    response = await client.post("/api/sessions", json={"prompt": "x"}, headers=headers)
    assert response.status_code in (422, 503), response.text


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {"a": json.loads(DEEP)}},
        {"metadata": {"a" * 10_000: 1}},
        {"metadata": {"x": 10**300}},
        {"metadata": {"x": 1e308}},
        {"metadata": {"x": "\U0001f600" * 1000}},
        {"metadata": []},
        {"current_ir": {**IR, "metadata": {"provenance": {"": {"source": "user"}}}}},
        {"current_ir": {**IR, "assertions": [{"expression": "(" * 900 + "1" + ")" * 900}]}},
        {"current_ir": {**IR, "assertions": [{"expression": "1" * 2000}]}},
        {"current_ir": {**IR, "assertions": [{"expression": "-" * 1900 + "1"}]}},
        {"current_ir": {**IR, "holes": [{"id": "x", "kind": "intent", "question": "", "answer": json.loads(DEEP)}]}},
        {"prompt": " \n\t "},
        {"prompt": "\u202e\ufeff"},
        {"generated_code": "x" * 1_000_000},
    ],
    ids=lambda body: str(body)[:40],
)
async def test_in_a_body(client: httpx.AsyncClient, body: dict[str, Any]):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    response = await client.patch(path, json=body, headers=at(session))
    assert response.status_code < 500, response.text
    assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b'{"prompt": "\\ud800"}',
        b'{"prompt": "\\u0000"}',
        b'{"prompt": "x", "prompt": "y", "until": {}}',
        b'{"prompt": "x", "metadata": {"a": 1e999}}',
        b'{"prompt": "x", "metadata": {"a": NaN}}',
        b'{"prompt": "x", "metadata": ' + b'{"a":' * 250 + b"1" + b"}" * 250 + b"}",
        b'{"prompt": ' + b'"\xff\xfe"}',
        b"[" * 500_000,
        b"null",
        b"[]",
        b'"text"',
    ],
    ids=lambda raw: repr(raw[:30]),
)
async def test_in_raw_bytes(client: httpx.AsyncClient, raw: bytes):
    response = await client.post("/api/sessions", content=raw, headers=JSON)
    assert response.status_code in (400, 422), response.text
