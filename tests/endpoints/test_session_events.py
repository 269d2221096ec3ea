import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from endpoints.app import create_app
from functions.session_feed import PAGE
from tests.endpoints.asgi import served
from tests.endpoints.conftest import Web


async def events_of(response: httpx.Response) -> AsyncIterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if line == "" and event:
            yield event
            event = {}
        elif name:
            event[name] = json.loads(value) if name == "data" else value


async def stored(client: httpx.AsyncClient) -> dict[str, Any]:
    failed = await client.post("/api/sessions", json={"prompt": "add"})
    return dict((await client.get(f"/api/sessions/{failed.json()['session_id']}")).json())


async def test_a_watcher_is_told_of_each_change_and_goes_on_where_it_was(web: Web):
    user = await web.stack.user()
    headers = {"authorization": f"Bearer {user.token}"}
    async with (
        served(create_app(web.services)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
    ):
        session = await stored(client)
        path, version = f"/api/sessions/{session['id']}", session["version"]
        async with client.stream("GET", f"{path}/events") as response:
            events = events_of(response)
            opened = await anext(events)
            assert (opened["event"], opened["data"]) == ("open", {"version": version})
            await client.patch(path, json={"prompt": "one"}, headers={"if-match": f'"{version}"'})
            first = await anext(events)
        assert first["event"] == "session.changed"
        assert first["data"]["version"] == version + 1

        await client.patch(path, json={"prompt": "two"}, headers={"if-match": f'"{version + 1}"'})
        async with client.stream("GET", f"{path}/events", headers={"last-event-id": first["id"]}) as response:
            events = events_of(response)
            await anext(events)
            missed = await anext(events)
        assert missed["data"]["version"] == version + 2
        assert int(missed["id"]) > int(first["id"])


async def test_a_watcher_of_what_is_deleted_is_told_so(web: Web):
    user = await web.stack.user()
    headers = {"authorization": f"Bearer {user.token}"}
    async with (
        served(create_app(web.services)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
    ):
        session = await stored(client)
        path = f"/api/sessions/{session['id']}"
        async with client.stream("GET", f"{path}/events") as response:
            events = events_of(response)
            await anext(events)
            deleted = await client.delete(path, headers={"if-match": f'"{session["version"]}"'})
            assert deleted.status_code == 204
            ended = [event async for event in events]
        assert ended[-1]["event"] == "error"
        assert ended[-1]["data"]["status"] == 404


async def test_a_viewer_whose_access_is_taken_back_is_told_so_and_the_stream_ends(web: Web):
    alice, owner = await web.user_client()
    viewer = await web.stack.user()
    async with (
        served(create_app(web.services)) as url,
        httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {viewer.token}"}, timeout=20) as client,
    ):
        path = f"/api/sessions/{(await stored(owner))['id']}"
        assert (await client.get(f"{path}/events")).status_code == 404
        shared = await owner.post(f"{path}/shares", json={"user_id": viewer.id, "role": "viewer"})
        assert shared.status_code in {200, 201}, shared.text
        async with client.stream("GET", f"{path}/events") as response:
            events = events_of(response)
            assert (await anext(events))["event"] == "open"
            assert (await owner.delete(f"{path}/shares/{viewer.id}")).status_code == 204
            (ended,) = [event async for event in events]
        assert (ended["event"], ended["data"]["status"]) == ("error", 404)
    assert alice.id != viewer.id


async def test_who_was_away_for_long_is_told_everything_in_order_at_once(web: Web):
    user = await web.stack.user()
    headers = {"authorization": f"Bearer {user.token}"}
    async with (
        served(create_app(web.services)) as url,
        httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as client,
    ):
        session = await stored(client)
        path, version = f"/api/sessions/{session['id']}", session["version"]
        for step in range(PAGE + 20):
            body, expected = {"prompt": f"step {step}"}, {"if-match": f'"{version + step}"'}
            assert (await client.patch(path, json=body, headers=expected)).status_code == 200
        async with client.stream("GET", f"{path}/events", headers={"last-event-id": "0"}) as response:
            events = events_of(response)
            assert (await anext(events))["data"] == {"version": version + PAGE + 20}
            told = [await anext(events) for _ in range(version + PAGE + 20)]
        assert [event["data"]["version"] for event in told] == list(range(1, version + PAGE + 21))
