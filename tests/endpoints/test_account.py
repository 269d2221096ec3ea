import asyncio

import pytest

from tests.endpoints.conftest import Web


async def test_me_is_whose_token_it_is(web: Web):
    user, client = await web.user_client()
    me = (await client.get("/api/me")).json()
    assert (me["id"], me["email"], me["operator"]) == (user.id, user.email, False)
    changed = await client.patch("/api/me", json={"preferences": {"theme": "dark"}})
    assert changed.json()["preferences"] == {"theme": "dark"}
    assert (await client.get("/api/me")).json()["preferences"] == {"theme": "dark"}


async def test_a_key_is_shown_once_and_acts_as_its_user_within_its_scopes(web: Web):
    user, client = await web.user_client()
    created = await client.post("/api/keys", json={"name": "ci", "scopes": ["read"]})
    assert created.status_code == 201
    key = created.json()["key"]
    program = web.client(key)
    assert (await program.get("/api/me")).json()["id"] == user.id
    assert (await program.get("/api/sessions")).json()["items"] == []
    for method, path, body in [
        ("POST", "/api/generate", {"prompt": "x"}),
        ("POST", "/api/sessions", {"prompt": "x"}),
        ("POST", "/api/keys", {"name": "more", "scopes": ["admin"]}),
        ("GET", "/api/keys", None),
        ("PATCH", "/api/me", {"preferences": {}}),
    ]:
        refused = await program.request(method, path, json=body)
        assert refused.status_code == 403, path
        assert "scope" in refused.json()["detail"]
    listed = (await client.get("/api/keys")).json()["items"]
    assert [(k["name"], k["prefix"]) for k in listed] == [("ci", key[:12])]
    assert key not in str(listed)


async def test_a_revoked_key_is_unknown_to_a_server_that_has_not_seen_it(web: Web):
    _, client = await web.user_client()
    created = (await client.post("/api/keys", json={"name": "ci"})).json()
    assert (await client.delete(f"/api/keys/{created['id']}")).status_code == 204
    assert (await web.client(created["key"]).get("/api/me")).status_code == 401
    assert (await client.delete("/api/keys/not-a-key")).status_code == 404


async def test_another_users_key_cannot_be_revoked(web: Web):
    _, client = await web.user_client()
    _, stranger = await web.user_client()
    created = (await client.post("/api/keys", json={"name": "ci"})).json()
    assert (await stranger.delete(f"/api/keys/{created['id']}")).status_code == 404
    assert (await web.client(created["key"]).get("/api/me")).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": ""},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["root"]},
        {"name": "x", "expires_at": "2030-01-01"},
    ],
)
async def test_a_key_that_makes_no_sense_is_refused(web: Web, body: dict[str, object]):
    _, client = await web.user_client()
    assert (await client.post("/api/keys", json=body)).status_code == 422


async def test_reads_are_limited_by_the_minute_and_the_answer_says_how(strict_web: Web):
    _, client = await strict_web.user_client()
    answers = await asyncio.gather(*(client.get("/api/sessions") for _ in range(8)))
    refused = [answer for answer in answers if answer.status_code == 429]
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 3
    assert refused[0].headers["ratelimit-policy"] == '"reads";q=5;w=60'
    assert int(refused[0].headers["retry-after"]) >= 1
    assert refused[0].headers["ratelimit"].startswith('"reads";r=0;t=')


async def test_usage_begins_at_nothing(web: Web):
    _, client = await web.user_client()
    usage = await client.get("/api/usage")
    assert usage.status_code == 200
    assert usage.json()["days"] == []
    assert (await client.get("/api/usage?days=0")).status_code == 422
