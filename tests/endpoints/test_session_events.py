import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from endpoints.app import create_app
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
