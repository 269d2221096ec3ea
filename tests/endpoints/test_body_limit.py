from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from endpoints.body_limit import BodyLimitMiddleware
from tests.endpoints.asgi import client_of, hello, served, with_problems

LIMIT = 1000


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("the application must not run")


def echoing() -> BodyLimitMiddleware:
    app = with_problems(FastAPI())

    @app.post("/")
    async def echo(body: dict[str, Any]) -> dict[str, Any]:
        return body

    return BodyLimitMiddleware(app, limit_bytes=LIMIT)


async def chunks(total: int) -> AsyncIterator[bytes]:
    yield b'{"a":"'
    for _ in range(total // 100):
        yield b"x" * 100
    yield b'"}'


async def test_a_body_announced_as_too_large_never_reaches_the_application():
    async with client_of(BodyLimitMiddleware(never, limit_bytes=LIMIT)) as client:
        response = await client.post("/", content=b"x" * (LIMIT + 1))
    assert response.status_code == 413
    assert response.headers["content-type"] == "application/problem+json"
    assert "1000 bytes" in response.json()["detail"]


async def test_a_body_of_just_the_limit_is_taken():
    async with client_of(BodyLimitMiddleware(hello, limit_bytes=LIMIT)) as client:
        response = await client.post("/", content=b"x" * LIMIT)
    assert response.status_code == 200


async def test_a_chunked_body_is_counted_as_it_comes():
    async with client_of(echoing(), headers={"content-type": "application/json"}) as client:
        taken = await client.post("/", content=chunks(500))
        refused = await client.post("/", content=chunks(2000))
    assert taken.status_code == 200
    assert refused.status_code == 413
    assert refused.headers["content-type"] == "application/problem+json"


async def test_over_a_socket_the_client_gets_the_problem_too():
    async with served(echoing()) as url, httpx.AsyncClient(base_url=url) as client:
        headers = {"content-type": "application/json"}
        chunked = await client.post("/", content=chunks(5000), headers=headers)
        announced = await client.post("/", content=b"x" * 5000, headers=headers)
    assert (chunked.status_code, announced.status_code) == (413, 413)
