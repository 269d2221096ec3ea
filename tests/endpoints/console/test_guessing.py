"""Who guesses at the console's doors is counted by address, whatever else the browser brings; without a browser."""

import httpx
import pytest

from tests.endpoints.conftest import Web


@pytest.fixture
def web(strict_web: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """Where an address may do five things, and no time passes."""
    monkeypatch.setattr(strict_web.services.address_limits, "_clock", lambda: 0.0)
    return strict_web


async def guess(visitor: httpx.AsyncClient) -> int:
    form = {"form_token": "form", "email": "somebody@example.com", "password": "a guess"}
    return (await visitor.post("/sign-in", data=form)).status_code


async def test_passwords_are_guessed_no_faster_by_who_is_signed_in(web: Web):
    user = await web.stack.user()
    async with web.client() as visitor:
        visitor.cookies.set("lift-form", "form")
        visitor.cookies.set("lift-access", user.token)
        assert [await guess(visitor) for _ in range(7)] == [401] * 5 + [429] * 2
        assert (await visitor.get("/account")).status_code == 200


async def test_refresh_tokens_are_not_tried_at_the_sign_in_service_once_an_address_is_limited(web: Web):
    statuses = []
    for number in range(7):
        async with web.client() as visitor:
            visitor.cookies.set("lift-refresh", f"guessed-{number}")
            statuses.append((await visitor.get("/")).status_code)
    assert statuses == [200] * 5 + [429] * 2
    assert {"guessed-5", "guessed-6"}.isdisjoint(web.services.sign_ins._exchanges)
