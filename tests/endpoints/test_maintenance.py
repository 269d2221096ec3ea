"""The maintenance switch: changes are refused on every route that makes any, reading goes on, operators turn it."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi.routing import APIRoute

from endpoints.app import create_app
from endpoints.console.route import ConsoleRoute
from endpoints.guard import SAFE_METHODS
from functions.database import Database
from functions.maintenance_switch import FRESH_S, MaintenanceSwitch
from tests.database_fixtures import execute
from tests.endpoints.asgi import client_of
from tests.endpoints.conftest import Web

BODY = {"reason": "the database is being upgraded"}
STORES_NOTHING = re.compile(r"/sign-(in|out)\b.*|/api/compile(/batch|/stream)?|.*/(check|extract)")
"""What goes on although its method is not safe. Another such path is to be added here, on purpose."""
TURNS_IT = {"/api/maintenance", "/operate/maintenance", "/operate/maintenance/end"}


@pytest.fixture
async def operator(web: Web) -> AsyncIterator[httpx.AsyncClient]:
    async with web.client((await web.stack.user(operator=True)).token) as client:
        yield client


async def test_every_route_that_changes_something_is_closed(web: Web, operator: httpx.AsyncClient):
    assert (await operator.put("/api/maintenance", json=BODY)).status_code == 200
    routes = [route for route in web.app.routes if isinstance(route, APIRoute)]
    assert {route.path for route in routes} >= TURNS_IT
    async with browser_of(web, (await web.stack.user(operator=True)).token) as browser:
        for route in routes:
            client = browser if isinstance(route, ConsoleRoute) else operator
            for method in route.methods - SAFE_METHODS if route.path != "/operate/maintenance/end" else ():
                response = await client.request(method, path_of(route), json={})
                goes_on = STORES_NOTHING.fullmatch(route.path) or route.path in TURNS_IT
                assert is_closed(response) == (not goes_on), (method, route.path, response.text)


async def test_whoever_reads_goes_on_and_sees_why(web: Web, operator: httpx.AsyncClient):
    user, client = await web.user_client()
    created = await client.post("/api/keys", json={"name": "before", "scopes": ["read"]})
    assert created.status_code == 201
    until = datetime.now(UTC) + timedelta(minutes=10)
    turned = await operator.put("/api/maintenance", json=BODY | {"until": until.isoformat()})
    assert turned.json()["on"]
    assert turned.json()["source"] == "operator"
    refused = await client.post("/api/keys", json={"name": "during", "scopes": ["read"]})
    assert refused.status_code == 503
    assert refused.json()["type"] == "/docs/problems#under-maintenance"
    assert 500 < int(refused.headers["retry-after"]) <= 600
    as_openai = await client.post("/v1/completions", json={"model": "m", "prompt": "p"})
    assert as_openai.status_code == 503
    assert BODY["reason"] in as_openai.json()["error"]["message"]
    assert [key["name"] for key in (await client.get("/api/keys")).json()["items"]] == ["before"]
    assert (await client.get("/api/sessions")).status_code == 200
    health = (await web.client().get("/health")).json()
    assert health["status"] == "ok"
    assert health["maintenance"]["reason"] == BODY["reason"]
    assert health["maintenance"]["by"] is None, "not everybody's business"
    detailed = (await operator.get("/health/detailed")).json()
    assert (detailed["status"], detailed["service"]["state"]) == ("degraded", "degraded")
    assert "@" in detailed["service"]["maintenance"]["by"]
    async with browser_of(web, user.token) as browser:
        assert BODY["reason"] in (await browser.get("/")).text


async def test_it_is_turned_off_by_an_operator_or_by_the_clock(web: Web, operator: httpx.AsyncClient):
    _, client = await web.user_client()
    for _ in range(2):
        assert (await operator.put("/api/maintenance", json=BODY)).status_code == 200, "it may be repeated"
    assert (await client.patch("/api/me", json={"preferences": {}})).status_code == 503
    for _ in range(2):
        assert (await operator.delete("/api/maintenance")).status_code == 204, "so may this"
    assert (await client.patch("/api/me", json={"preferences": {}})).status_code == 200
    assert (await operator.get("/api/maintenance")).json() == {"on": False, "source": None, "maintenance": None}
    past = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    assert (await operator.put("/api/maintenance", json=BODY | {"until": past})).status_code == 422
    await operator.put("/api/maintenance", json=BODY | {"until": (datetime.now(UTC) + timedelta(hours=1)).isoformat()})
    await execute(web.stack.dsn, "update public.maintenance_windows set until = now() where ended_at is null")
    assert (await operator.get("/api/maintenance")).json()["on"] is False
    assert (await client.patch("/api/me", json={"preferences": {}})).status_code == 200
    assert (await operator.put("/api/maintenance", json=BODY)).json()["on"], "one that is over is not in its way"


async def test_operators_alone_turn_it(web: Web, operator: httpx.AsyncClient):
    user, client = await web.user_client()
    for answer in (
        await client.get("/api/maintenance"),
        await client.put("/api/maintenance", json=BODY),
        await client.delete("/api/maintenance"),
    ):
        assert answer.status_code == 403
    async with browser_of(web, user.token) as browser:
        assert (await browser.post("/operate/maintenance", data={"reason": "r"})).status_code == 403
    assert (await operator.get("/api/maintenance")).json()["on"] is False


async def test_the_console_turns_it(web: Web):
    async with browser_of(web, (await web.stack.user(operator=True)).token) as browser:
        assert "Take no changes" in (await browser.get("/operate")).text
        assert (await browser.post("/operate/maintenance", data={"reason": "  "})).status_code == 422
        begun = await browser.post("/operate/maintenance", data={"reason": "moving house", "minutes": ""})
        assert (begun.status_code, begun.headers["location"]) == (303, "/operate")
        page = (await browser.get("/operate")).text
        assert "Maintenance.</strong>" in page
        assert "moving house" in page
        assert (await browser.post("/operate/maintenance/end")).status_code == 303
        assert "moving house" not in (await browser.get("/operate")).text


async def test_other_servers_follow_within_seconds_and_hold_to_it_when_the_database_goes(web: Web, data: Database):
    now = 0.0
    database = web.services.maintenance._database
    elsewhere = MaintenanceSwitch(database, web.services.settings.environment, "", clock=lambda: now)
    assert await elsewhere.standing() is None
    async with web.client((await web.stack.user(operator=True)).token) as operator:
        await operator.put("/api/maintenance", json=BODY)
    assert await elsewhere.standing() is None, "not asked for every request"
    now += FRESH_S
    standing = await elsewhere.standing()
    assert standing
    assert standing.reason == BODY["reason"]
    await execute(web.stack.dsn, "drop function public.get_maintenance")
    now += FRESH_S
    assert await elsewhere.standing() == standing


async def test_the_settings_turn_it_too(web: Web, data: Database, operator: httpx.AsyncClient):
    availability = web.services.settings.availability.model_copy(update={"maintenance": "moving to another region"})
    settings = web.services.settings.model_copy(update={"availability": availability})
    switch = MaintenanceSwitch(data, "local", availability.maintenance)
    app = create_app(replace(web.services, settings=settings, maintenance=switch))
    async with client_of(app, headers=operator.headers) as client:
        refused = await client.patch("/api/me", json={"preferences": {}})
        assert refused.status_code == 503
        assert "moving to another region" in refused.json()["detail"]
        assert (await client.get("/api/maintenance")).json()["source"] == "settings"
        assert (await client.delete("/api/maintenance")).status_code == 409


def browser_of(web: Web, token: str) -> httpx.AsyncClient:
    """Somebody who is signed in to the console."""
    cookies = {"lift-access": token, "lift-form": "form"}
    return client_of(web.app, cookies=cookies, headers={"x-form-token": "form"})


def path_of(route: APIRoute) -> str:
    some = "00000000-0000-4000-8000-000000000000"
    return "/".join(some if part.startswith("{") else part for part in route.path.split("/"))


def is_closed(response: httpx.Response) -> bool:
    return response.status_code == 503 and BODY["reason"] in response.text
