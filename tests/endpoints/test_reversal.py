import jsonschema
import pytest

from functions.ir import ir_schema
from tests.endpoints.conftest import Web

SOURCE = '''def halve(n: int) -> int:
    """Halve an even number.

    >>> halve(4)
    2
    >>> halve(3)
    Traceback (most recent call last):
    ValueError: odd
    """
    if n % 2:
        raise ValueError("odd")
    half = n // 2
    assert half * 2 == n
    return half
'''


async def test_code_becomes_a_specification_without_a_model(web: Web):
    _, client = await web.user_client()
    response = await client.post("/api/reverse", json={"source": SOURCE})
    assert response.status_code == 200, response.text
    answered = response.json()
    ir = answered["ir"]
    jsonschema.Draft202012Validator(ir_schema()).validate(ir)
    assert ir["intent"]["summary"] == "Halve an even number."
    assert [example["raises"] for example in ir["examples"]] == [None, "ValueError"]
    assert [assertion["expression"] for assertion in ir["assertions"]] == ["result * 2 == n"]
    assert (ir["holes"], ir["effects"]) == ([], [])
    assert (answered["model"], answered["usage"]["completion_tokens"]) == (None, 0)
    assert answered["timing"]["sandbox_s"] > 0
    usage = (await client.get("/api/usage")).json()
    assert usage["days"][0]["generations"] == 1
    assert all(budget["reserved_usd"] == 0 for budget in usage["budgets"])


async def test_typescript_is_read_and_not_run(web: Web):
    _, client = await web.user_client()
    source = "/** Add. */\nexport const add = (a: number, b: number): number => a + b;\n"
    answered = (await client.post("/api/reverse", json={"source": source, "language": "typescript"})).json()
    assert answered["ir"]["signature"]["parameters"][0]["type"] == "float"
    assert answered["ir"]["metadata"]["language"] == "typescript"
    assert answered["timing"]["sandbox_s"] == 0


@pytest.mark.parametrize(
    ("body", "status", "pointer"),
    [
        ({"source": "def f(:"}, 422, "/source"),
        ({"source": "def f(): ...\ndef g(): ...\n"}, 422, "/name"),
        ({"source": ""}, 422, "/source"),
        ({"source": SOURCE, "language": "cobol"}, 422, "/language"),
        ({"source": SOURCE, "x": 1}, 422, "/x"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_place(
    web: Web, body: dict[str, object], status: int, pointer: str
):
    _, client = await web.user_client()
    response = await client.post("/api/reverse", json=body)
    assert response.status_code == status
    assert response.json()["errors"][0]["pointer"] == pointer


async def test_a_session_begins_with_code(web: Web):
    _, client = await web.user_client()
    response = await client.post("/api/sessions", json={"source": SOURCE})
    session = response.json()
    assert response.status_code == 201, session
    assert session["prompt"] == "Halve an even number."
    assert session["generated_code"] == SOURCE
    assert session["current_ir"]["metadata"]["origin"] == session["metadata"]["origin"] == "code"
    assert session["generation_status"] == "complete"
    assert (await client.get(response.headers["location"])).json() == session
    found = (await client.get("/api/sessions", params={"q": "halve"})).json()["items"]
    assert [item["id"] for item in found] == [session["id"]]


async def test_a_session_of_code_that_cannot_be_read_is_there_with_the_failure(web: Web):
    _, client = await web.user_client()
    response = await client.post("/api/sessions", json={"source": "def f(:\n"})
    assert response.status_code == 422
    session = (await client.get(f"/api/sessions/{response.json()['session_id']}")).json()
    assert (session["generation_status"], session["generated_code"]) == ("error", "def f(:\n")
    for body in ({"source": SOURCE, "prompt": "x"}, {"prompt": "x", "language": "rust"}):
        assert (await client.post("/api/sessions", json=body)).status_code == 422


async def test_the_model_says_what_code_without_a_docstring_is_for(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    source = "def larger(a: int, b: int) -> int:\n    return a if a > b else b\n"
    response = await client.post("/api/reverse", json={"source": source}, timeout=60)
    answered = response.json()
    assert response.status_code == 200, answered
    assert answered["ir"]["intent"]["summary"]
    assert answered["ir"]["metadata"]["prompt_version"] == "describe.v1"
    assert answered["ir"]["metadata"]["provenance"]["/intent"] == {"source": "model", "confidence": 0.5}
    assert answered["usage"]["completion_tokens"] > 0
    assert answered["ir"]["holes"] == []
