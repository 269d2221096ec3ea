"""A session's own tests in the console, as the server sends the pages, without a browser."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.endpoints.conftest import Web
from tests.endpoints.test_sessions import IR, stored


@pytest.fixture
async def user(web: Web) -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The API's client and a browser's, of one user."""
    user, client = await web.user_client()
    async with web.client() as visitor:
        visitor.cookies.set("lift-access", user.token)
        visitor.cookies.set("lift-form", "form")
        yield client, visitor


async def save(visitor: httpx.AsyncClient, session: dict[str, Any], text: str) -> httpx.Response:
    form = {"form_token": "form", "version": session["version"], "text": text}
    return await visitor.post(f"/sessions/{session['id']}/tests", data=form)


async def test_tests_are_written_shown_and_taken_away(user: tuple[httpx.AsyncClient, httpx.AsyncClient]):
    client, visitor = user
    session = await stored(client)
    path = f"/api/sessions/{session['id']}"
    assert "Tests of your own" in (await visitor.get(f"/sessions/{session['id']}")).text
    saved = await save(visitor, session, "assert add(1, 2) == 3\r\n\r\n")
    assert (saved.status_code, saved.headers["location"]) == (303, f"/sessions/{session['id']}")
    session = (await client.get(path)).json()
    assert session["tests"] == "assert add(1, 2) == 3\n"
    shown = (await visitor.get(f"/sessions/{session['id']}/tests")).text
    assert "assert add(1, 2) == 3" in shown
    compared = await visitor.get(f"/sessions/{session['id']}/compare?old=1&new={session['version']}")
    assert "Lines of tests that changed" in compared.text
    await save(visitor, session, "  ")
    assert (await client.get(path)).json()["tests"] is None


async def test_what_is_wrong_or_too_late_is_shown_again_with_the_reason(
    user: tuple[httpx.AsyncClient, httpx.AsyncClient],
):
    client, visitor = user
    session = await stored(client)
    faulty = await save(visitor, session, "assert add(1) == other(2)")
    assert faulty.status_code == 422
    assert "Only the function&#39;s name may come from elsewhere" in faulty.text
    assert "assert add(1) == other(2)" in faulty.text
    checked = await visitor.post(
        f"/sessions/{session['id']}/tests/check", data={"form_token": "form", "text": "def test_a(:"}
    )
    assert "Line 1: " in checked.text
    late = await save(visitor, session | {"version": session["version"] - 1}, "assert add(1, 2) == 3")
    assert late.status_code == 412
    assert "assert add(1, 2) == 3" in late.text
    assert (await client.get(f"/api/sessions/{session['id']}")).json()["tests"] is None


async def test_a_specification_for_typescript_is_shown_in_its_notation(
    user: tuple[httpx.AsyncClient, httpx.AsyncClient],
):
    client, visitor = user
    ir = {**IR, "metadata": {"language": "typescript"}}
    session = (await client.post("/api/sessions", json={"ir": ir, "until": "ir"})).json()
    assert session["metadata"]["language"] == "typescript"
    shown = (await visitor.get(f"/sessions/{session['id']}")).text
    assert "function add(a: number, b: number): number" in shown
    assert "Tests of your own" not in shown
