"""Orders for a session in the console, and who may give, watch and stop them; as pages are sent, without a browser."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

import httpx
import pytest

from functions.failures import EngineUnavailable
from tests.endpoints.asgi import served, until
from tests.endpoints.conftest import Web
from tests.endpoints.console.scripted_engine import ScriptedEngine
from tests.endpoints.test_hole_resolution import IR as OPEN_IR
from tests.endpoints.test_session_code import IR
from tests.endpoints.test_sessions import stored

FORM = {"form_token": "form"}
FOR_EVER_S = 3600.0
"""A pause that no test sees the end of: the work is under way until it is stopped."""


@dataclass(frozen=True)
class User:
    """The API's client and a browser's, of one user."""

    id: str
    client: httpx.AsyncClient
    visitor: httpx.AsyncClient

    async def session(self, ir: dict[str, Any] = IR) -> dict[str, Any]:
        """One with a specification, and no code."""
        answer = await self.client.post("/api/sessions", json={"ir": ir, "until": "ir"})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def share(self, session: dict[str, Any], other: "User", role: Literal["viewer", "editor"]) -> None:
        path = f"/api/sessions/{session['id']}/shares"
        assert (await self.client.post(path, json={"user_id": other.id, "role": role})).status_code == 201

    async def press(self, session: dict[str, Any], what: str, **form: str) -> httpx.Response:
        """Send one of the forms of the session's page, as it is where this session was read."""
        data = {**FORM, "version": str(session["version"]), **form}
        return await self.visitor.post(f"/sessions/{session['id']}/{what}", data=data)


@pytest.fixture
async def users(scripted_web: Web) -> AsyncIterator[list[User]]:
    """Two, at a server's socket: a stream must be seen while it is open."""
    async with served(scripted_web.app) as url:
        made = []
        for _ in range(2):
            user = await scripted_web.stack.user()
            headers = {"authorization": f"Bearer {user.token}"}
            cookies = {"lift-access": user.token, "lift-form": "form"}
            client = httpx.AsyncClient(base_url=url, headers=headers, timeout=30)
            made.append(User(user.id, client, httpx.AsyncClient(base_url=url, cookies=cookies, timeout=30)))
        yield made
        for each in made:
            await each.client.aclose()
            await each.visitor.aclose()


async def asked_for(owner: User, scripted: ScriptedEngine) -> dict[str, Any]:
    """A session of which there are only the words; from now on what is begun is under way until it is stopped."""
    scripted.failure = EngineUnavailable("the engine", "it is cold")
    session = await stored(owner.client)
    scripted.failure, scripted.pause_s = None, FOR_EVER_S
    return session


async def ordered(owner: User, scripted: ScriptedEngine) -> dict[str, Any]:
    """As `asked_for`, with work under way."""
    session = await asked_for(owner, scripted)
    assert (await owner.press(session, "code")).status_code == 303
    return session


async def test_only_who_may_read_a_session_watches_its_code_being_written(users: list[User], scripted: ScriptedEngine):
    owner, other = users
    session = await ordered(owner, scripted)
    path = f"/sessions/{session['id']}/live"
    assert (await other.visitor.get(path)).status_code == 404
    await owner.share(session, other, "viewer")
    async with other.visitor.stream("GET", path) as response:
        lines = response.aiter_lines()
        told = [line async for line in until_line(lines, "event: progress")]
        assert told[0] == "event: open"
        revoked = await owner.client.delete(f"/api/sessions/{session['id']}/shares/{other.id}")
        assert revoked.status_code == 204
        assert "there is no session" in "".join([line async for line in lines])
    assert (await other.visitor.get(path)).status_code == 404


async def until_line(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == last:
            return


async def test_who_may_not_change_a_session_does_not_stop_the_work_on_it(
    scripted_web: Web, users: list[User], scripted: ScriptedEngine
):
    owner, other = users
    session = await ordered(owner, scripted)
    running = scripted_web.services.running_orders.of
    assert [(await other.press(session, what)).status_code for what in ("delete", "stop")] == [404, 404]
    await owner.share(session, other, "viewer")
    assert [(await other.press(session, what)).status_code for what in ("delete", "stop")] == [403, 403]
    await owner.share(session, other, "editor")
    assert (await other.press(session, "delete")).status_code == 403
    assert running(session["id"]) is not None
    assert (await other.press(session, "stop")).status_code == 303
    assert running(session["id"]) is None


async def test_deleting_a_session_stops_the_work_on_it(scripted_web: Web, users: list[User], scripted: ScriptedEngine):
    owner, _ = users
    session = await ordered(owner, scripted)
    deleted = await owner.press(session, "delete")
    assert (deleted.status_code, deleted.headers["location"]) == (303, "/")
    assert scripted_web.services.running_orders.of(session["id"]) is None
    assert (await owner.client.get(f"/api/sessions/{session['id']}")).status_code == 404


async def test_a_page_that_is_behind_deletes_nothing(users: list[User]):
    owner, _ = users
    session = await owner.session()
    behind = await owner.press(session | {"version": session["version"] - 1}, "delete")
    assert "has changed since you looked at it" in behind.text
    assert (await owner.client.get(f"/api/sessions/{session['id']}")).status_code == 200


async def test_a_button_pressed_twice_gives_one_order(scripted_web: Web, users: list[User], scripted: ScriptedEngine):
    owner, _ = users
    session = await asked_for(owner, scripted)
    answers = await asyncio.gather(*(owner.press(session, "code") for _ in range(3)))
    assert [answer.status_code for answer in answers] == [303, 303, 303]
    assert len(list(scripted_web.services.running_orders)) == 1
    await until(lambda: bool(scripted.asked))
    assert len(scripted.asked) == 1


@pytest.mark.parametrize("what", ["code", "holes/what"])
async def test_what_could_not_be_stored_is_not_asked_of_the_model(
    users: list[User], scripted: ScriptedEngine, what: str
):
    owner, other = users
    closed, ours = await owner.session(OPEN_IR), await owner.session(OPEN_IR)
    await owner.share(ours, other, "viewer")
    form = {"answer": "it totals what a customer pays", "assume": "true"}
    shown = await owner.press(closed, "abandon")
    assert shown.status_code == 303
    refused = await owner.press(closed, what, **form)
    assert refused.status_code == 409
    assert "abandoned" in refused.text
    assert (await other.press(ours, what, **form)).status_code == 403
    assert scripted.asked == []


async def test_code_that_waits_for_answers_is_not_asked_for(users: list[User], scripted: ScriptedEngine):
    owner, _ = users
    session = await owner.session(OPEN_IR)
    refused = await owner.press(session, "code")
    assert refused.status_code == 409
    assert "There are open questions" in refused.text
    assert (await owner.client.get(f"/api/sessions/{session['id']}")).json()["version"] == session["version"]
    assert scripted.asked == []


async def test_deleting_it_by_the_api_stops_the_work_too(
    scripted_web: Web, users: list[User], scripted: ScriptedEngine
):
    owner, _ = users
    session = await ordered(owner, scripted)
    path = f"/api/sessions/{session['id']}"
    tag = (await owner.client.get(path)).headers["etag"]
    assert (await owner.client.delete(path, headers={"if-match": tag})).status_code == 204
    assert scripted_web.services.running_orders.of(session["id"]) is None
