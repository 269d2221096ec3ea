"""What depends on what an engine does: with the real one, over a real socket where a client's leaving matters."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import jsonschema

from endpoints.app import create_app
from functions.ir import ir_schema
from tests.database_fixtures import LocalUser
from tests.endpoints.asgi import served, until
from tests.endpoints.conftest import Web

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 99},
    },
    "required": ["name", "age"],
    "additionalProperties": False,
}
STREAM = {"accept": "text/event-stream"}


def events_in(text: str) -> list[tuple[str, Any]]:
    blocks = [dict(line.split(": ", 1) for line in block.split("\n")) for block in text.split("\n\n") if block]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


@asynccontextmanager
async def over_a_socket(web: Web, user: LocalUser) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"authorization": f"Bearer {user.token}"}
    async with (
        served(create_app(web.services)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield client


async def test_a_schema_is_kept_to_as_json_and_as_a_stream(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    body = {"prompt": "A person, as JSON.", "json_schema": SCHEMA, "max_tokens": 60, "seed": 1, "temperature": 0}
    whole = await client.post("/api/generate", json=body)
    assert whole.status_code == 200
    generated = whole.json()
    jsonschema.validate(json.loads(generated["text"]), SCHEMA)
    assert generated["finish_reason"] == "stop"
    assert generated["usage"]["completion_tokens"] > 0
    assert generated["timing"]["time_to_first_token_s"] <= generated["timing"]["total_s"]
    assert (generated["cached"], generated["cost_usd"]) == (False, 0)

    streamed = await client.post("/api/generate", json=body, headers=STREAM)
    *deltas, (last, done) = events_in(streamed.text)
    assert {name for name, _ in deltas} == {"delta"}
    assert last == "done"
    assert "".join(data["text"] for _, data in deltas) == done["text"] == generated["text"]


async def test_a_choice_a_regex_and_a_grammar_are_kept_to(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    for constraint, allowed in [
        ({"choice": ["red", "green"]}, {"red", "green"}),
        ({"regex": "(yes|no)!"}, {"yes!", "no!"}),
        ({"grammar": 'start: "a" | "b"'}, {"a", "b"}),
    ]:
        response = await client.post("/api/generate", json={"prompt": "Choose.", "max_tokens": 20, **constraint})
        assert response.json()["text"] in allowed


async def test_a_text_that_was_cut_is_said_to_be_cut(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    response = await client.post("/api/generate", json={"prompt": "x", "json_schema": SCHEMA, "max_tokens": 3})
    assert response.json()["finish_reason"] == "length"


async def test_a_prompt_beyond_the_context_is_refused_before_a_stream_begins(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    response = await client.post("/api/generate", json={"prompt": "word " * 20_000}, headers=STREAM)
    assert response.status_code == 400
    assert response.json()["type"] == "/docs/problems#prompt-too-long"
    assert response.json()["tokens"] > response.json()["limit"]


async def test_a_client_that_leaves_stops_the_engine_and_the_ledger_knows(web_with_engine: Web):
    user = await web_with_engine.stack.user()
    engine = web_with_engine.services.engine
    body = {"prompt": "Count for ever.", "regex": "[0-9 ]{2000}", "max_tokens": 2000}
    async with over_a_socket(web_with_engine, user) as client:
        for headers in (STREAM, {}):
            asking = asyncio.create_task(client.post("/api/generate", json=body, headers=headers))
            await _running(web_with_engine, 1)
            await asyncio.sleep(0.3)
            asking.cancel()
            await _running(web_with_engine, 0)
        assert (await engine.status()).state == "ready"
        await until(lambda: not web_with_engine.services.afterwards._tasks)
        usage = (await client.get("/api/usage")).json()
    assert usage["days"][0]["generations"] == 2
    assert usage["days"][0]["running"] == 0
    assert all(budget["reserved_usd"] == 0 for budget in usage["budgets"])


async def _running(web: Web, wanted: int) -> None:
    while (await web.services.engine.status()).running != wanted:  # noqa: ASYNC110 - the engine has no event for it
        await asyncio.sleep(0.01)


async def test_the_same_key_is_answered_the_same_and_done_once(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    body = {"prompt": "Choose.", "choice": ["red", "green", "blue"], "temperature": 1.5, "max_tokens": 5}
    for headers in ({"idempotency-key": "k1"}, {"idempotency-key": "k2", **STREAM}):
        first = await client.post("/api/generate", json=body, headers=headers)
        again = await client.post("/api/generate", json=body, headers=headers)
        assert again.status_code == first.status_code == 200
        assert again.text == first.text
        assert again.headers["content-type"] == first.headers["content-type"]
        assert again.headers["idempotent-replayed"] == "true"
        other = await client.post("/api/generate", json={**body, "max_tokens": 6}, headers=headers)
        assert other.status_code == 422
    assert (await client.get("/api/usage")).json()["days"][0]["generations"] == 2


async def test_while_the_first_request_with_a_key_runs_the_second_is_told_to_wait(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    body = {"prompt": "Count.", "regex": "[0-9 ]{200}", "max_tokens": 60}
    first = asyncio.create_task(client.post("/api/generate", json=body, headers={"idempotency-key": "k"}))
    await _running(web_with_engine, 1)
    second = await client.post("/api/generate", json=body, headers={"idempotency-key": "k"})
    assert second.status_code == 409
    assert second.headers["x-should-retry"] == "true"
    assert (await first).status_code == 200


async def test_words_become_a_stored_session_with_specification_and_code(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    response = await client.post("/api/sessions", json={"prompt": "add two integers"}, timeout=120)
    session = response.json()
    assert response.status_code == 201, session
    jsonschema.Draft202012Validator(ir_schema()).validate(session["current_ir"])
    assert session["generation_status"] == "complete"
    assert response.headers["location"] == f"/api/sessions/{session['id']}"
    assert response.headers["etag"] == f'"{session["version"]}"'
    assert (await client.get(response.headers["location"])).json() == session
    if not session["holes"]:
        compile(session["generated_code"], "generated", "exec")
        assert f"def {session['current_ir']['signature']['name']}(" in session["generated_code"]


async def test_the_two_steps_without_a_session(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    specified = await client.post("/api/ir", json={"prompt": "add two integers"}, timeout=120)
    assert specified.status_code == 200
    ir = specified.json()["ir"]
    jsonschema.Draft202012Validator(ir_schema()).validate(ir)
    streamed = await client.post("/api/code", json={"ir": ir, "repairs": 0}, headers=STREAM, timeout=120)
    events = events_in(streamed.text)
    done = dict(events)["done"]
    assert events[-1][0] == "done"
    compile(done["code"], "generated", "exec")
    assert done["language"] == "python"
    assert isinstance(done["passed"], bool)
    assert len(done["candidates"]) == 1
