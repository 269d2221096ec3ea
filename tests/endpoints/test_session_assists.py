from typing import Any

from tests.endpoints.conftest import Web

IR: dict[str, Any] = {
    "intent": {"summary": "Add two numbers."},
    "signature": {
        "name": "add",
        "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "object"}],
        "returns": "int",
    },
    "examples": [
        {"arguments": ["1", "2"], "result": "3"},
        {"arguments": ["1", "2"], "result": "4"},
        {"arguments": ["5", "6"], "result": "11"},
    ],
}


async def test_assists_are_listed_applied_as_versions_and_gone_then(web: Web):
    _, client = await web.user_client()
    session = (await client.post("/api/sessions", json={"ir": IR, "until": "ir"})).json()
    path = f"/api/sessions/{session['id']}"
    listed = (await client.get(f"{path}/assists")).json()
    assert listed["version"] == session["version"]
    assert [item["kind"] for item in listed["items"]] == ["contradiction", "edge_case", "edge_case", "loose_type"]
    while listed["items"]:
        first = listed["items"][0]
        headers = {"if-match": f'"{listed["version"]}"'}
        applied = await client.post(f"{path}/assists/{first['id']}/apply", headers=headers)
        assert applied.status_code == 200, applied.text
        assert applied.json()["version"] == listed["version"] + 1
        assert (await client.post(f"{path}/assists/{first['id']}/apply", headers=headers)).status_code == 412
        listed = (await client.get(f"{path}/assists")).json()
        assert first["id"] not in [item["id"] for item in listed["items"]]
    session = (await client.get(path)).json()
    assert session["current_ir"]["signature"]["parameters"][1]["type"] == "int"
    hole = session["holes"][0]
    assert hole["suggestions"] == ["add(1, 2) == 3", "add(1, 2) == 4"]
    headers = {"if-match": f'"{session["version"]}"'}
    resolved = await client.post(f"{path}/holes/{hole['id']}/resolve", json={"suggestion": 0}, headers=headers)
    assert resolved.json()["current_ir"]["examples"][-1]["result"] == "3"
    history = (await client.get(f"{path}/history")).json()["items"]
    assert any(version["change_description"].startswith("assist: ") for version in history)


async def test_who_may_not_see_or_change_it_cannot(web: Web):
    _, client = await web.user_client()
    _, stranger = await web.user_client()
    session = (await client.post("/api/sessions", json={"ir": IR, "until": "ir"})).json()
    path = f"/api/sessions/{session['id']}/assists"
    headers = {"if-match": f'"{session["version"]}"'}
    known = (await client.get(path)).json()["items"][0]["id"]
    assert (await stranger.get(path)).status_code == 404
    assert (await stranger.post(f"{path}/{known}/apply", headers=headers)).status_code == 404
    assert (await client.post(f"{path}/none/apply", headers=headers)).status_code == 404
    assert (await client.post(f"{path}/{known}/apply")).status_code == 428
    closed = await client.post(f"/api/sessions/{session['id']}/abandon", headers=headers)
    headers = {"if-match": closed.headers["etag"]}
    assert (await client.post(f"{path}/{known}/apply", headers=headers)).status_code == 409
