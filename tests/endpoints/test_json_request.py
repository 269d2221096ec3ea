import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from endpoints.json_request import JsonRequest, require_json
from tests.endpoints.asgi import client_of, with_problems

JSON = {"content-type": "application/json"}


def echoing() -> FastAPI:
    app = with_problems(FastAPI())

    @app.post("/")
    async def echo(request: Request) -> JSONResponse:
        require_json(request)
        return JSONResponse(await JsonRequest(request.scope, request.receive).json())

    return app


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "EOF"),
        (b"{", "EOF"),
        (b'{"a": NaN}', "line 1 column 7"),
        (b'"\\ud800"', "hex escape"),
        (b"[" * 100_000, "recursion limit"),
        (b'"\xff"', "unicode"),
        (b"9" * 10_000, "number out of range"),
    ],
)
async def test_what_is_not_json_is_refused_with_its_place(body: bytes, said: str):
    async with client_of(echoing()) as client:
        response = await client.post("/", content=body, headers=JSON)
    assert response.status_code == 400
    assert said in response.json()["detail"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": [0, "x\\u0000y"]}', "/a/1"),
        (b'{"a": {"k\\u0000": 1}}', "/a"),
        (b'{"a": {"b": 1e999}}', "/a/b"),
        (b'{"a": -' + b"9" * 400 + b".0}", "/a"),
    ],
)
async def test_what_could_not_be_stored_is_refused_with_its_place(body: bytes, pointer: str):
    async with client_of(echoing()) as client:
        response = await client.post("/", content=body, headers=JSON)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


async def test_an_escaped_backslash_before_u0000_is_only_text():
    async with client_of(echoing()) as client:
        response = await client.post("/", content=b'"\\\\u0000"', headers=JSON)
    assert response.json() == "\\u0000"


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"])
async def test_json_by_any_of_its_names_is_taken(content_type: str):
    async with client_of(echoing()) as client:
        response = await client.post("/", content=b"{}", headers={"content-type": content_type})
    assert response.status_code == 200


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_anything_else_is_415_and_told_what_to_send(content_type: str | None):
    headers = {"content-type": content_type} if content_type else {}
    async with client_of(echoing()) as client:
        response = await client.post("/", content=b"{}", headers=headers)
    assert response.status_code == 415
    assert "send application/json" in response.json()["detail"]


async def test_a_compressed_body_is_refused_by_its_name():
    async with client_of(echoing()) as client:
        refused = await client.post("/", content=b"{}", headers={**JSON, "content-encoding": "gzip"})
        plain = await client.post("/", content=b"{}", headers={**JSON, "content-encoding": "identity"})
    assert refused.status_code == 415
    assert refused.headers["accept-encoding"] == "identity"
    assert plain.status_code == 200
