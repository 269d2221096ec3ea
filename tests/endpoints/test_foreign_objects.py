"""Broken object level authorization (OWASP API1): no path tells another user's object from one that does not exist.

Every path of the OpenAPI document with an id in it is asked for another user's object and for nobody's: 404 with the
same words. Its owner is answered otherwise, which shows that the request itself is a good one.
"""

import json
import re
import uuid
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from endpoints.app import ROUTERS, create_app
from functions.api_keys import ApiKeys
from functions.assists import assists
from functions.callers import Caller
from functions.sessions import NewSession
from tests.database_fixtures import LocalUser
from tests.endpoints.conftest import Web

IR = {
    "intent": {"summary": "add two integers"},
    "signature": {"name": "add", "parameters": [], "returns": "int"},
    "effects": ["clock"],
    "holes": [{"id": "h1", "kind": "intent", "question": "how large?"}],
}
BODIES: dict[tuple[str, str], Any] = {
    ("put", "/api/sessions/{session_id}"): {"prompt": "x"},
    ("patch", "/api/sessions/{session_id}"): {"prompt": "x"},
    ("post", "/api/sessions/{session_id}/rollback"): {"version": 1},
    ("post", "/api/sessions/{session_id}/code"): {},
    ("post", "/api/sessions/{session_id}/holes/{hole_id}/resolve"): {"answer": "large"},
    ("post", "/api/sessions/{session_id}/shares"): {"email": "nobody@example.com", "role": "viewer"},
    ("post", "/api/sessions/{session_id}/comments"): {"body": "x"},
    ("patch", "/api/sessions/{session_id}/comments/{comment_id}"): {"resolved": True},
}
QUERIES = {"/api/sessions/{session_id}/diff": "?from=1&to=1"}
ENDLESS = {"/api/sessions/{session_id}/events", "/api/sessions/{session_id}/work"}
"""Streams: their owner is answered for long (test_session_events, test_session_code)."""

EVERYBODYS = {"model"}
"""Names of what belongs to nobody."""

# What differs between any two answers.
OF_THE_REQUEST = {"instance", "request_id"}
HEADERS_OF_THE_REQUEST = {"x-request-id", "traceparent", "ratelimit", "content-length", "date"}


def operations_of(app: FastAPI) -> list[tuple[str, str]]:
    paths = app.openapi()["paths"]
    return [
        (method, path)
        for path, methods in paths.items()
        for method in methods
        if set(re.findall(r"{(\w+)}", path)) - EVERYBODYS
    ]


def operations() -> list[tuple[str, str]]:
    """Of the routes alone: their description needs no services."""
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    return operations_of(app)


@dataclass(frozen=True)
class Owned:
    """One user's objects, by the names that paths have for their ids."""

    user: LocalUser
    client: httpx.AsyncClient
    ids: dict[str, str]


async def owned(web: Web) -> Owned:
    """A user with a session, a comment on it, a share of it, and an API key."""
    user, client = await web.user_client()
    guest = await web.stack.user()
    caller = Caller(user.id, user.token, None, frozenset())
    session = await web.services.sessions.create(caller, NewSession(prompt="p", current_ir=IR))
    comment = await web.services.comments.add(caller, session.id, pointer="", body="b")
    await web.services.sharing.share(caller, session.id, role="viewer", user_id=guest.id)
    key = await ApiKeys(web.services.profiles._database).create(caller, name="k", scopes=["read"])
    ids = {
        "session_id": session.id,
        "comment_id": comment.id,
        "user_id": guest.id,
        "key_id": key.id,
        "hole_id": "h1",
        "assist_id": (await assists(session.current_ir, web.services.sandbox))[0].id,
        "version": "1",
    }
    return Owned(user, client, ids)


def nobodys() -> dict[str, str]:
    ids = {name: str(uuid.uuid4()) for name in ("session_id", "comment_id", "user_id", "key_id")}
    return {**ids, "hole_id": "h9", "assist_id": "a9", "version": "9"}


async def send(client: httpx.AsyncClient, method: str, path: str, ids: dict[str, str]) -> httpx.Response:
    url = path.format(**ids) + QUERIES.get(path, "")
    return await client.request(method, url, json=BODIES.get((method, path)), headers={"if-match": '"1"'})


def told(response: httpx.Response) -> tuple[int, dict[str, Any], dict[str, str]]:
    """What an answer says, but for what is this request's own."""
    document = {name: value for name, value in response.json().items() if name not in OF_THE_REQUEST}
    headers = {name: value for name, value in response.headers.items() if name not in HEADERS_OF_THE_REQUEST}
    return response.status_code, document, headers


@pytest.mark.parametrize(("method", "path"), operations())
async def test_what_is_another_users_does_not_exist(web: Web, method: str, path: str):
    alice, bob = await owned(web), await owned(web)
    foreign, missing = [await send(bob.client, method, path, ids) for ids in (alice.ids, nobodys())]
    assert foreign.status_code == 404, foreign.text
    assert told(foreign) == told(missing)
    assert not any(value in json.dumps(told(foreign)) for value in alice.ids.values() if len(value) == 36)
    if path not in ENDLESS:
        own = await send(alice.client, method, path, alice.ids)
        reached = own.status_code in range(200, 300) or own.status_code == 409 or "user" in own.json()["detail"]
        assert reached, (own.status_code, own.text)


NESTED = [(method, path) for method, path in operations() if path.count("{") > 1]


@pytest.mark.parametrize(("method", "path"), NESTED)
async def test_what_is_another_users_is_not_found_below_ones_own_either(web: Web, method: str, path: str):
    """A comment's id is looked for in the session of the path, not anywhere."""
    alice, bob = await owned(web), await owned(web)
    below = {**alice.ids, "hole_id": "h9", "assist_id": "a9", "version": "9", "session_id": bob.ids["session_id"]}
    nothing = {**nobodys(), "session_id": bob.ids["session_id"]}
    foreign, missing = [await send(bob.client, method, path, ids) for ids in (below, nothing)]
    assert foreign.status_code == 404, foreign.text
    assert told(foreign) == told(missing)
    second = await web.services.sessions.create(
        Caller(alice.user.id, alice.user.token, None, frozenset()), NewSession(prompt="another")
    )
    misplaced = await send(alice.client, method, path, {**below, "session_id": second.id})
    assert misplaced.status_code == 404, misplaced.text


async def test_no_path_is_left_out(web: Web):
    assert sorted(operations_of(create_app(web.services))) == sorted(operations())
