"""A session's code, written on demand, and work that goes on without its client."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from functions.callers import Caller
from functions.ledger import Ledger, Reservation, Work
from tests.endpoints.asgi import served, until
from tests.endpoints.conftest import Web
from tests.endpoints.console.scripted_engine import CODE, QUESTION, SPECIFICATION, ScriptedEngine
from tests.endpoints.test_session_events import events_of

STREAM = {"accept": "text/event-stream"}
IR = {
    "intent": {"summary": "Sum the even numbers"},
    "signature": {
        "name": "sum_even",
        "parameters": [{"name": "numbers", "type": "list[int]"}],
        "returns": "int",
    },
    "examples": [{"arguments": ["[1, 2, 4]"], "result": "6"}],
}


@pytest.fixture
async def web(scripted_web: Web) -> Web:
    return scripted_web


@pytest.fixture
async def client(web: Web) -> AsyncIterator[httpx.AsyncClient]:
    user = await web.stack.user()
    headers = {"authorization": f"Bearer {user.token}"}
    async with (
        served(web.app) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=60) as client,
    ):
        yield client


async def specified(client: httpx.AsyncClient, **more: Any) -> dict[str, Any]:
    answer = await client.post("/api/sessions", json={"ir": IR, "until": "ir", **more})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def test_code_is_written_for_a_specification_that_is_there(client: httpx.AsyncClient):
    session = await specified(client)
    path = f"/api/sessions/{session['id']}"
    answer = await client.post(f"{path}/code", json={}, headers={"if-match": f'"{session["version"]}"'})
    assert answer.status_code == 200, answer.text
    written = answer.json()
    assert written["generated_code"].startswith("def sum_even(numbers: list[int]) -> int:")
    assert written["evidence"]["passed"] is True
    assert written["version"] == session["version"] + 1  # the specification has not changed: the code alone is new
    assert answer.headers["etag"] == f'"{written["version"]}"'


async def test_code_is_written_from_the_version_that_is_meant(client: httpx.AsyncClient):
    session = await specified(client)
    path = f"/api/sessions/{session['id']}/code"
    assert (await client.post(path, json={})).status_code == 428
    stale = await client.post(path, json={}, headers={"if-match": '"99"'})
    assert (stale.status_code, stale.json()["current_version"]) == (412, session["version"])


async def test_open_questions_are_named_and_can_be_assumed_away(client: httpx.AsyncClient, scripted: ScriptedEngine):
    scripted.specification = {**SPECIFICATION, "questions": [QUESTION]}
    session = (await client.post("/api/sessions", json={"prompt": "sum the even numbers"})).json()
    path, headers = f"/api/sessions/{session['id']}/code", {"if-match": f'"{session["version"]}"'}
    refused = await client.post(path, json={}, headers=headers)
    assert refused.status_code == 409
    assert refused.json()["holes"] == [hole["id"] for hole in session["holes"]]
    assumed = await client.post(path, json={"assume": True}, headers=headers)
    assert assumed.status_code == 200, assumed.text
    assert assumed.json()["generated_code"]
    assert assumed.json()["holes"] == []


async def test_a_stream_that_was_lost_goes_on_where_it_was_and_nothing_is_done_twice(
    client: httpx.AsyncClient, scripted: ScriptedEngine
):
    scripted.pause_s = 0.02
    order = {"json": {"prompt": "sum the even numbers"}, "headers": {**STREAM, "idempotency-key": "once"}}
    seen: list[dict[str, Any]] = []
    async with client.stream("POST", "/api/sessions", **order) as response:
        assert response.status_code == 201
        async for event in events_of(response):
            seen.append(event)
            if event["event"] == "delta":
                break
    path = response.headers["location"]
    async with client.stream("GET", f"{path}/work", headers={"last-event-id": seen[-1]["id"]}) as response:
        seen += [event async for event in events_of(response)]
    assert [int(event["id"]) for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["event"] == "done"
    assert seen[-1]["data"]["generated_code"]

    repeated = await client.post("/api/sessions", **order)
    while repeated.status_code == 409:  # what is kept under the key is stored when the work has ended
        await asyncio.sleep(0.05)
        repeated = await client.post("/api/sessions", **order)
    assert repeated.headers["idempotent-replayed"] == "true"
    assert repeated.headers["location"] == path
    assert repeated.text.count("event: done") == 1
    assert len((await client.get("/api/sessions")).json()["items"]) == 1


async def test_whoever_comes_back_after_the_end_is_given_what_came_of_it(client: httpx.AsyncClient):
    session = await specified(client)
    async with client.stream("GET", f"/api/sessions/{session['id']}/work") as response:
        events = [event async for event in events_of(response)]
    assert [event["event"] for event in events] == ["done"]
    assert events[0]["data"]["id"] == session["id"]


async def test_a_client_that_waits_for_one_document_and_leaves_stops_the_work(
    client: httpx.AsyncClient, web: Web, scripted: ScriptedEngine
):
    scripted.pause_s = 0.2
    request = asyncio.create_task(client.post("/api/sessions", json={"prompt": "sum the even numbers"}))
    await until(lambda: bool(list(web.services.running_orders)))
    request.cancel()
    await until(lambda: not list(web.services.running_orders))
    (session,) = (await client.get("/api/sessions")).json()["items"]
    assert session["generation_status"] == "error"


async def test_two_orders_for_one_session_do_not_run_at_once(client: httpx.AsyncClient, scripted: ScriptedEngine):
    session = await specified(client)
    path, headers = f"/api/sessions/{session['id']}", {"if-match": f'"{session["version"]}"'}
    scripted.pause_s = 0.1
    async with client.stream("POST", f"{path}/code", json={}, headers={**headers, **STREAM}) as first:
        assert first.status_code == 200
        second = await client.post(f"{path}/code", json={}, headers=headers)
        assert (second.status_code, second.json()["work"]) == (409, f"{path}/work")


async def test_while_an_order_is_being_admitted_no_second_one_is_taken_for_its_session(
    client: httpx.AsyncClient, web: Web, monkeypatch: pytest.MonkeyPatch
):
    session = await specified(client)
    path, headers = f"/api/sessions/{session['id']}/code", {"if-match": f'"{session["version"]}"'}
    ledger, admitting, go_on = web.services.ledger, asyncio.Event(), asyncio.Event()

    async def slowly(caller: Caller, work: Work) -> Reservation:
        if not admitting.is_set():
            admitting.set()
            await go_on.wait()
        return await Ledger.admit(ledger, caller, work)

    monkeypatch.setattr(ledger, "admit", slowly)
    first = asyncio.create_task(client.post(path, json={}, headers=headers))
    await admitting.wait()
    second = await client.post(path, json={}, headers=headers)
    go_on.set()
    assert ((await first).status_code, second.status_code) == (200, 409)


async def test_a_viewer_is_told_that_writing_is_not_theirs(client: httpx.AsyncClient, web: Web):
    session = await specified(client)
    viewer, theirs = await web.user_client()
    shared = await client.put(f"/api/sessions/{session['id']}/shares/{viewer.id}", json={"role": "viewer"})
    if shared.status_code in {404, 405}:
        shared = await client.post(
            f"/api/sessions/{session['id']}/shares", json={"user_id": viewer.id, "role": "viewer"}
        )
    assert shared.is_success, shared.text
    answer = await theirs.post(
        f"/api/sessions/{session['id']}/code", json={}, headers={"if-match": f'"{session["version"]}"'}
    )
    assert answer.status_code == 403


async def test_the_sessions_own_tests_judge_last_and_what_they_saw_is_told_to_a_repair(
    client: httpx.AsyncClient, scripted: ScriptedEngine
):
    tests = "def test_even():\n    assert sum_even([2, 4]) == 6\n\ndef test_odd():\n    assert sum_even([3]) == 3\n"
    session = await specified(client, tests=tests)
    path = f"/api/sessions/{session['id']}"
    body, headers = {"repairs": 1}, {"if-match": f'"{session["version"]}"'}
    written = (await client.post(f"{path}/code", json=body, headers=headers)).json()
    assert [(check["name"], check["verdict"]) for check in written["evidence"]["checks"]][-2:] == [
        ("test_even", "passed"),
        ("test_odd", "failed"),
    ]
    assert written["evidence"]["passed"] is False
    assert "does not hold; sum_even([3]) gave 0" in scripted.asked[-1]


async def test_a_function_that_words_ask_for_has_the_name_that_its_tests_call(
    client: httpx.AsyncClient, scripted: ScriptedEngine
):
    scripted.code = CODE.replace("sum_even", "evens")
    order = {"prompt": "sum the even ones", "tests": "assert evens([2, 3]) == 2\n"}
    session = (await client.post("/api/sessions", json=order)).json()
    assert session["current_ir"]["signature"]["name"] == "evens"
    assert session["evidence"]["passed"] is True
    assert session["evidence"]["checks"][-1]["name"] == "assert in line 1"


async def test_typescript_is_written_and_what_was_not_run_is_said(client: httpx.AsyncClient, scripted: ScriptedEngine):
    scripted.code = "function sumEven(numbers: number[]): number {\n  return 0;\n}\n"
    order = {"prompt": "sum the even ones", "language": "typescript"}
    answer = await client.post("/api/sessions", json=order)
    session = answer.json()
    assert session["generated_code"] == scripted.code
    assert session["current_ir"]["metadata"]["language"] == session["metadata"]["language"] == "typescript"
    assert session["current_ir"]["signature"]["name"] == "sumEven"
    verdicts = {check["name"]: (check["verdict"], check["detail"]) for check in session["evidence"]["checks"]}
    assert verdicts["signature"] == ("passed", "")
    assert verdicts["example 1"] == ("skipped", "not run: TypeScript is not executed here")
    headers = {"if-match": answer.headers["etag"]}
    again = await client.post(f"/api/sessions/{session['id']}/code", json={}, headers=headers)
    assert again.json()["generated_code"] == scripted.code
    assert "function sumEven(numbers: number[]): number" in scripted.asked[-1]


async def test_what_versions_of_prompts_come_to_is_in_the_metrics(web: Web, client: httpx.AsyncClient):
    assert (await client.post("/api/sessions", json={"prompt": "sum the even ones"})).status_code == 201
    await web.services.afterwards.close()
    operator = await web.stack.user(operator=True)
    headers = {"authorization": f"Bearer {operator.token}"}
    metrics = (await client.get("/api/metrics?days=1", headers=headers)).json()
    figures = {figure["version"]: figure for figure in metrics["prompts"]}
    assert any(version.startswith("specify.") for version in figures)
    assert any(version.startswith("implement.") for version in figures)
    for figure in figures.values():
        assert (figure["uses"], figure["successes"], figure["success_rate"], figure["cut"]) == (1, 1, 1.0, 0)
        assert figure["completion_tokens_mean"] > 0
        assert figure["latency_p50_s"] is not None
