import json
from typing import Any

import httpx
import jsonschema
import pytest

from functions.ir import ir_schema
from tests.endpoints.conftest import Web

IR: dict[str, Any] = {
    "intent": {"summary": "Add two numbers."},
    "signature": {
        "name": "add",
        "parameters": [{"name": "a", "type": "object"}, {"name": "b", "type": "int"}],
        "returns": "int",
    },
    "examples": [{"arguments": ["1", "2"], "result": "3"}],
    "holes": [
        {
            "id": "type-0",
            "kind": "signature",
            "question": "What is a?",
            "expected_type": "type",
            "suggestions": ["int"],
        },
        {"id": "zero", "kind": "assertion", "question": "What of 0?", "suggestions": ["add(0, 0) == 0"]},
        {"id": "what", "kind": "intent", "question": "What is it for?"},
    ],
}


async def stored(client: httpx.AsyncClient) -> dict[str, Any]:
    """A session with the specification, and no code."""
    response = await client.post("/api/sessions", json={"ir": IR, "until": "ir"})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def resolve(
    client: httpx.AsyncClient, session: dict[str, Any], hole: str, body: dict[str, Any]
) -> httpx.Response:
    path = f"/api/sessions/{session['id']}/holes/{hole}/resolve"
    return await client.post(path, json=body, headers={"if-match": f'"{session["version"]}"'}, timeout=60)


def same(old: dict[str, Any], new: dict[str, Any], *but: str) -> bool:
    return all(json.dumps(old[member]) == json.dumps(new[member]) for member in old if member not in but)


@pytest.mark.parametrize("suggestion", [0, "int"])
async def test_a_suggestion_is_worked_in_as_one_new_version(web: Web, suggestion: int | str):
    _, client = await web.user_client()
    session = await stored(client)
    response = await resolve(client, session, "type-0", {"suggestion": suggestion})
    resolved = response.json()
    assert response.status_code == 200, resolved
    assert resolved["version"] == session["version"] + 1
    assert response.headers["etag"] == f'"{resolved["version"]}"'
    assert resolved["current_ir"]["signature"]["parameters"][0]["type"] == "int"
    assert (resolved["rewritten"], resolved["not_rewritten"]) == (["/signature"], None)
    assert same(session["current_ir"], resolved["current_ir"], "signature", "holes", "metadata")
    assert resolved["current_ir"]["holes"][0]["answer"] == "int"
    assert resolved["current_ir"]["holes"][1:] == session["current_ir"]["holes"][1:]
    assert [hole["id"] for hole in resolved["holes"]] == ["zero", "what"]
    assert (await client.get("/api/usage")).json()["days"][0]["generations"] == 1  # the session itself


async def test_without_a_model_the_answer_is_kept_and_why_nothing_else_changed_is_said(web: Web):
    _, client = await web.user_client()
    session = await stored(client)
    resolved = (await resolve(client, session, "what", {"answer": "for a cash register"})).json()
    assert resolved["rewritten"] == []
    assert "unavailable" in resolved["not_rewritten"]
    assert same(session["current_ir"], resolved["current_ir"], "holes")
    assert resolved["current_ir"]["holes"][2]["answer"] == "for a cash register"
    usage = (await client.get("/api/usage")).json()
    assert all(budget["reserved_usd"] == 0 for budget in usage["budgets"])


@pytest.mark.parametrize(
    ("hole", "body", "status"),
    [
        ("zero", {"suggestion": 1}, 422),
        ("zero", {"suggestion": "add(0, 0) == 1"}, 422),
        ("zero", {"answer": "add(1, 2) == 4"}, 422),
        ("zero", {}, 422),
        ("zero", {"answer": 1, "suggestion": 0}, 422),
        ("none", {"answer": 1}, 404),
    ],
)
async def test_an_answer_that_makes_no_sense_is_refused(web: Web, hole: str, body: dict[str, Any], status: int):
    _, client = await web.user_client()
    session = await stored(client)
    assert (await resolve(client, session, hole, body)).status_code == status
    assert (await client.get(f"/api/sessions/{session['id']}")).json()["version"] == session["version"]


async def test_a_stale_answer_is_refused_before_any_work(web: Web):
    _, client = await web.user_client()
    session = await stored(client)
    await resolve(client, session, "zero", {"suggestion": 0})
    assert (await resolve(client, session, "what", {"answer": "x"})).status_code == 412


async def test_words_are_worked_in_by_the_model_and_the_rest_stays(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    session = await stored(client)
    for hole, member, answer in (
        ("what", "intent", "it totals what a customer pays"),
        ("type-0", "signature", "a whole number"),
        ("zero", "examples", "adding zero changes nothing"),
    ):
        resolved = (await resolve(client, session, hole, {"answer": answer})).json()
        jsonschema.Draft202012Validator(ir_schema()).validate(resolved["current_ir"])
        assert resolved["version"] == session["version"] + 1
        touched = {"examples", "assertions"} if member != "intent" else set()
        assert same(session["current_ir"], resolved["current_ir"], member, *touched, "holes", "metadata")
        # What a model of 135 million parameters makes of it is its own; where it made something, it is said.
        assert bool(resolved["rewritten"]) == (resolved["not_rewritten"] is None)
        session = resolved
    assert session["current_ir"]["intent"]["summary"]
    usage = (await client.get("/api/usage")).json()
    assert usage["days"][0]["generations"] == 4
