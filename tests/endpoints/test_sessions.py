import uuid
from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web

IR: dict[str, Any] = {
    "intent": {"summary": "add two integers"},
    "signature": {
        "name": "add",
        "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}],
        "returns": "int",
    },
}
HOLE = {"id": "overflow", "kind": "assertion", "question": "what if it overflows?"}


@pytest.fixture
async def client(web: Web) -> httpx.AsyncClient:
    _, client = await web.user_client()
    return client


async def stored(client: httpx.AsyncClient, prompt: str = "add two integers") -> dict[str, Any]:
    """A session that came to be although the engine is cold, with a specification written by hand."""
    failed = await client.post("/api/sessions", json={"prompt": prompt})
    session_id = failed.json()["session_id"]
    session = await client.get(f"/api/sessions/{session_id}")
    return dict(session.json())


def at(session: dict[str, Any]) -> dict[str, str]:
    return {"if-match": f'"{session["version"]}"'}


async def test_what_was_accepted_is_stored_before_the_model_works(client: httpx.AsyncClient):
    failed = await client.post("/api/sessions", json={"prompt": "add two integers"})
    assert failed.status_code == 503
    assert failed.headers["retry-after"] == "30"
    session = (await client.get(f"/api/sessions/{failed.json()['session_id']}")).json()
    assert session["prompt"] == "add two integers"
    assert (session["status"], session["generation_status"]) == ("active", "error")
    assert session["evidence"]["failure"]["kind"] == "EngineUnavailable"


async def test_as_a_stream_the_client_learns_the_session_first_and_its_failure_then(client: httpx.AsyncClient):
    headers = {"accept": "text/event-stream"}
    response = await client.post("/api/sessions", json={"prompt": "add"}, headers=headers)
    events = [line for line in response.text.splitlines() if line.startswith("event: ")]
    assert response.status_code == 201
    assert events == ["event: session", "event: specifying", "event: error"]
    assert (await client.get(response.headers["location"])).status_code == 200


async def test_an_order_needs_exactly_one_origin_and_knows_its_fields(client: httpx.AsyncClient):
    for body in (
        {},
        {"prompt": "x", "ir": IR},
        {"prompt": " \n"},
        {"prompt": "x", "until": "moon"},
        {"prompt": "x", "y": 1},
    ):
        response = await client.post("/api/sessions", json=body)
        assert response.status_code == 422, body
    assert (await client.get("/api/sessions")).json() == {"items": [], "next_cursor": None}


async def test_a_list_pages_by_cursor_newest_first_and_filters(client: httpx.AsyncClient):
    made = [(await stored(client, prompt))["id"] for prompt in ("sort words", "add numbers", "sort numbers")]
    first = (await client.get("/api/sessions", params={"limit": 2})).json()
    second = (await client.get("/api/sessions", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert [session["id"] for session in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None
    found = (await client.get("/api/sessions", params={"q": "sorting"})).json()["items"]
    assert {session["id"] for session in found} == {made[0], made[2]}
    assert (await client.get("/api/sessions", params={"status": "finalized"})).json()["items"] == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "nonsense"}, {"status": "lost"}, {"q": ""}])
async def test_a_query_that_makes_no_sense_is_refused(client: httpx.AsyncClient, query: dict[str, Any]):
    response = await client.get("/api/sessions", params=query)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_write_names_its_version_and_a_stale_one_is_refused(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    assert (await client.patch(path, json={"prompt": "new"})).status_code == 428
    changed = await client.patch(path, json={"prompt": "new"}, headers=at(session))
    assert changed.status_code == 200
    assert changed.json()["prompt"] == "new"
    assert changed.headers["etag"] == f'"{session["version"] + 1}"'
    stale = await client.patch(path, json={"prompt": "newer"}, headers=at(session))
    assert stale.status_code == 412
    assert stale.json()["current_version"] == session["version"] + 1
    nonsense = await client.patch(path, json={"prompt": "x"}, headers={"if-match": '"a", "b"'})
    assert nonsense.status_code == 422


async def test_put_replaces_and_patch_changes_what_is_given(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    patched = (await client.patch(path, json={"current_ir": IR, "metadata": {"a": 1}}, headers=at(session))).json()
    assert patched["prompt"] == session["prompt"]
    assert patched["current_ir"]["signature"]["name"] == "add"
    replaced = (await client.put(path, json={"prompt": "anew"}, headers=at(patched))).json()
    assert (replaced["prompt"], replaced["current_ir"], replaced["metadata"]) == ("anew", None, {})


async def test_null_empties_what_can_be_empty_and_is_refused_of_the_rest(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    given = {"current_ir": IR, "generated_code": "x = 1\n", "tests": "def test_x():\n    assert x == 1\n"}
    filled = (await client.patch(path, json=given, headers=at(session))).json()
    emptied = await client.patch(path, json=dict.fromkeys(given), headers=at(filled))
    assert emptied.status_code == 200
    assert [emptied.json()[name] for name in given] == [None] * len(given)
    for name in ("prompt", "metadata", "description"):
        refused = await client.patch(path, json={name: None}, headers=at(emptied.json()))
        assert refused.status_code == 422
        assert [error["pointer"] for error in refused.json()["errors"]] == [f"/{name}"]


async def test_a_specification_that_is_none_is_refused_with_its_place(client: httpx.AsyncClient):
    session = await stored(client)
    wrong = {**IR, "signature": {"name": "def", "parameters": [{"name": "a", "type": "int("}]}}
    response = await client.patch(f"/api/sessions/{session['id']}", json={"current_ir": wrong}, headers=at(session))
    pointers = {error["pointer"] for error in response.json()["errors"]}
    assert response.status_code == 422
    assert pointers == {"/current_ir/signature/name", "/current_ir/signature/parameters/0/type"}


async def test_every_version_can_be_read_compared_and_gone_back_to(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    first = (await client.patch(path, json={"current_ir": IR}, headers=at(session))).json()
    other = {**IR, "intent": {"summary": "add two numbers"}}
    second = (await client.patch(path, json={"current_ir": other, "description": "wider"}, headers=at(first))).json()

    history = (await client.get(f"{path}/history")).json()["items"]
    assert [version["version"] for version in history] == list(range(second["version"], 0, -1))
    assert history[0]["change_description"] == "wider"
    old = (await client.get(f"{path}/history/{first['version']}")).json()
    assert old["ir_snapshot"] == first["current_ir"]

    compared = await client.get(f"{path}/diff", params={"from": first["version"], "to": second["version"]})
    assert {"op": "replace", "path": "/intent/summary", "old": "add two integers", "new": "add two numbers"} in (
        compared.json()["ir"]
    )
    back = await client.post(f"{path}/rollback", json={"version": first["version"]}, headers=at(second))
    assert back.json()["current_ir"] == first["current_ir"]
    assert back.json()["version"] == second["version"] + 1
    assert (await client.get(f"{path}/history/99")).status_code == 404


async def test_holes_are_answered_and_what_is_open_keeps_a_specification_open(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    with_hole = (await client.patch(path, json={"current_ir": {**IR, "holes": [HOLE]}}, headers=at(session))).json()
    assert [hole["id"] for hole in (await client.get(f"{path}/holes")).json()["items"]] == ["overflow"]
    refused = await client.post(f"{path}/finalize", headers=at(with_hole))
    assert refused.status_code == 409
    assert refused.json()["holes"] == ["overflow"]
    answered = await client.post(f"{path}/holes/overflow/resolve", json={"answer": "it cannot"}, headers=at(with_hole))
    assert answered.json()["holes"] == []
    again = await client.post(f"{path}/holes/overflow/resolve", json={"answer": 1}, headers=at(answered.json()))
    assert again.status_code == 404
    closed = await client.post(f"{path}/finalize", headers=at(answered.json()))
    assert closed.json()["status"] == "finalized"
    late = await client.patch(path, json={"prompt": "late"}, headers=at(closed.json()))
    assert late.status_code == 409


async def test_abandon_and_delete(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    abandoned = await client.post(f"{path}/abandon", headers=at(session))
    assert abandoned.json()["status"] == "abandoned"
    assert (await client.delete(path, headers=at(session))).status_code == 412
    assert (await client.delete(path, headers=at(abandoned.json()))).status_code == 204
    assert (await client.get(path)).status_code == 404


async def test_a_session_that_has_not_changed_is_not_sent_again(client: httpx.AsyncClient):
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    same = await client.get(path, headers={"if-none-match": f'"{session["version"]}"'})
    assert (same.status_code, same.content) == (304, b"")


async def test_another_users_session_does_not_exist(web: Web, client: httpx.AsyncClient):
    session = await stored(client)
    _, stranger = await web.user_client()
    path, version = f"/api/sessions/{session['id']}", at(session)
    missing = f"/api/sessions/{uuid.uuid4()}"
    attempts = [
        ("GET", "", {}),
        ("PUT", "", {"json": {"prompt": "mine"}}),
        ("PATCH", "", {"json": {"prompt": "mine"}}),
        ("DELETE", "", {}),
        ("GET", "/history", {}),
        ("GET", "/history/1", {}),
        ("GET", "/diff?from=1&to=1", {}),
        ("POST", "/rollback", {"json": {"version": 1}}),
        ("GET", "/holes", {}),
        ("POST", "/holes/x/resolve", {"json": {"answer": 1}}),
        ("POST", "/finalize", {}),
        ("POST", "/abandon", {}),
        ("GET", "/events", {}),
    ]
    for method, rest, options in attempts:
        theirs = await stranger.request(method, path + rest, headers=version, **options)
        nobodys = await stranger.request(method, missing + rest, headers=version, **options)
        assert theirs.status_code == nobodys.status_code == 404, (method, rest)
        assert theirs.json()["detail"] == nobodys.json()["detail"]
    assert (await stranger.get("/api/sessions")).json()["items"] == []
    assert (await client.get(path)).json() == session


@pytest.mark.parametrize("session_id", ["1", "not-a-uuid", "%00", "' or 1=1"])
async def test_what_is_no_id_is_not_found(client: httpx.AsyncClient, session_id: str):
    assert (await client.get(f"/api/sessions/{session_id}")).status_code == 404


async def test_tests_are_set_by_put_and_patch_and_taken_away_by_null(client: httpx.AsyncClient):
    session = await stored(client)
    path, tests = f"/api/sessions/{session['id']}", "def test_adds():\n    assert add(1, 2) == 3\n"
    assert session["tests"] is None
    session = (await client.patch(path, json={"tests": tests}, headers=at(session))).json()
    assert (session["tests"], session["prompt"]) == (tests, "add two integers")
    put = {"prompt": "add", "tests": tests}
    session = (await client.put(path, json=put, headers=at(session))).json()
    assert (session["tests"], session["current_ir"]) == (tests, None)
    session = (await client.patch(path, json={"tests": None}, headers=at(session))).json()
    assert session["tests"] is None
    diff = (await client.get(f"{path}/diff", params={"from": session["version"] - 1, "to": session["version"]})).json()
    assert (diff["tests_changed"], diff["code_changed"], diff["ir"]) == (True, False, [])


async def test_an_order_brings_its_tests(client: httpx.AsyncClient):
    tests = "assert add(1, 2) == 3\n"
    failed = await client.post("/api/sessions", json={"prompt": "add two integers", "tests": tests})
    assert failed.status_code == 503
    assert (await client.get(f"/api/sessions/{failed.json()['session_id']}")).json()["tests"] == tests


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"prompt": "x", "tests": "def test_a(:"}, "/tests"),
        ({"prompt": "x", "tests": ""}, "/tests"),
        ({"prompt": "x", "tests": "from mine import add\nassert add(1, 2) == 3"}, "/tests"),
        ({"prompt": "x", "tests": "assert f(1)", "language": "typescript"}, ""),
        ({"ir": IR, "language": "typescript"}, ""),
    ],
)
async def test_tests_that_cannot_be_run_are_refused_in_their_place(
    client: httpx.AsyncClient, body: dict[str, Any], place: str
):
    refused = await client.post("/api/sessions", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"] == place
