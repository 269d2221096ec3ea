from typing import Any

import httpx

from tests.endpoints.conftest import Web


async def stored(client: httpx.AsyncClient) -> dict[str, Any]:
    failed = await client.post("/api/sessions", json={"prompt": "add"})
    return dict((await client.get(f"/api/sessions/{failed.json()['session_id']}")).json())


async def test_a_viewer_reads_an_editor_writes_and_both_end_at_once(web: Web):
    _, owner = await web.user_client()
    other, guest = await web.user_client()
    session = await stored(owner)
    path, version = f"/api/sessions/{session['id']}", {"if-match": f'"{session["version"]}"'}
    assert (await guest.get(path)).status_code == 404

    shared = await owner.post(f"{path}/shares", json={"email": other.email, "role": "viewer"})
    assert (shared.status_code, shared.json()["user_id"]) == (201, other.id)
    assert (await guest.get(path)).json()["role"] == "viewer"
    assert [s["id"] for s in (await guest.get("/api/sessions?shared=true")).json()["items"]] == [session["id"]]
    assert (await guest.patch(path, json={"prompt": "mine"}, headers=version)).status_code == 403
    assert (await guest.delete(path, headers=version)).status_code == 403

    await owner.post(f"{path}/shares", json={"user_id": other.id, "role": "editor"})
    assert (await guest.patch(path, json={"prompt": "ours"}, headers=version)).status_code == 200
    assert [s["role"] for s in (await owner.get(f"{path}/shares")).json()["items"]] == ["editor"]

    assert (await owner.delete(f"{path}/shares/{other.id}")).status_code == 204
    assert (await guest.get(path)).status_code == 404
    assert (await owner.delete(f"{path}/shares/{other.id}")).status_code == 404


async def test_comments_are_on_clauses_and_for_those_who_see_the_session(web: Web):
    _, owner = await web.user_client()
    _, stranger = await web.user_client()
    session = await stored(owner)
    path = f"/api/sessions/{session['id']}/comments"
    made = await owner.post(path, json={"pointer": "/signature/returns", "body": "why not float?"})
    assert made.status_code == 201
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(path, json={"body": "hello"})).status_code == 404
    listed = (await owner.get(path)).json()["items"]
    assert [(c["pointer"], c["body"]) for c in listed] == [("/signature/returns", "why not float?")]
    settled = await owner.patch(f"{path}/{made.json()['id']}", json={"resolved": True})
    assert settled.json()["resolved_at"]
    assert (await stranger.delete(f"{path}/{made.json()['id']}")).status_code == 404
    assert (await owner.delete(f"{path}/{made.json()['id']}")).status_code == 204
    assert (await owner.get(path)).json()["items"] == []


async def test_a_share_names_one_user(web: Web):
    _, owner = await web.user_client()
    session = await stored(owner)
    path = f"/api/sessions/{session['id']}/shares"
    for body in (
        {"role": "viewer"},
        {"role": "owner", "email": "a@b.c"},
        {"role": "viewer", "email": "a", "user_id": "b"},
    ):
        assert (await owner.post(path, json=body)).status_code == 422
    assert (await owner.post(path, json={"role": "viewer", "email": "nobody@example.com"})).status_code == 404
