"""Forms hold what people write, or a program sends: what is wrong with it is said, and never the server's fault."""

import pytest

from endpoints.console.json_text import NotJson, read_json
from tests.endpoints.conftest import Web
from tests.endpoints.test_sessions import IR

LONG_NUMBER = "9" * 5000
"""Of more digits than Python reads."""


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ('{\n "a": }', (2, 7), "this is not JSON: Expecting value"),
        ("[" * 100_000, (1, 1), "this is nested too deep"),
        (f"[{LONG_NUMBER}]", (1, 1), "4300 digits"),
        ("[NaN]", (1, 1), "there is no NaN in JSON"),
        ("[-Infinity]", (1, 1), "there is no -Infinity in JSON"),
        ("[1e999]", (1, 1), "beyond the range of double precision"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_with_its_place(text: str, place: tuple[int, int], reason: str):
    with pytest.raises(NotJson) as wrong:
        read_json(text)
    assert (wrong.value.line, wrong.value.column) == place
    assert reason in wrong.value.reason


def test_what_the_api_takes_is_taken():
    assert read_json('{"a": [1.5, 1e3, null, "\\u00e9"]}') == {"a": [1.5, 1000.0, None, "é"]}


async def test_no_text_is_the_servers_fault(web: Web):
    user, client = await web.user_client()
    session = (await client.post("/api/sessions", json={"ir": IR, "until": "ir"})).json()
    edit = f"/sessions/{session['id']}/edit"
    schema = f'{{"maximum": {LONG_NUMBER}}}'
    async with web.client() as visitor:
        visitor.cookies.set("lift-access", user.token)
        visitor.cookies.set("lift-form", "form")
        for path, form, status in (
            (edit, {"text": LONG_NUMBER}, 422),
            (f"{edit}/check", {"text": LONG_NUMBER}, 200),
            (f"{edit}/form", {"summary": "x"}, 422),
            (f"{edit}/form/check", {}, 200),
            ("/playground/check", {"kind": "json_schema", "constraint": schema}, 200),
            ("/playground/generate", {"kind": "json_schema", "constraint": schema, "prompt": "x"}, 422),
            ("/new", {"prompt": "x", "own": f"[{LONG_NUMBER}]"}, 422),
            ("/new", {"prompt": "x", "mined": LONG_NUMBER}, 422),
        ):
            answer = await visitor.post(path, data={"form_token": "form", "version": "1", **form})
            assert answer.status_code == status, (path, answer.text)
            assert ("4300 digits" in answer.text) == (LONG_NUMBER in str(form)), path
