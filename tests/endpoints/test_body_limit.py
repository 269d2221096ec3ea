import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

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


async def test_a_body_that_trickles_in_is_not_waited_for():
    async def nothing_yet() -> AsyncIterator[bytes]:
        yield b'{"a":'
        await asyncio.Event().wait()

    app = echoing()
    app.timeout_s = 0.05
    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-type", b"application/json")]}
    body = nothing_yet()
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": await anext(body), "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({**scope, "query_string": b"", "raw_path": b"/", "root_path": ""}, receive, send)
    assert sent[0]["status"] == 408
    assert b"within 0.05 s" in sent[1]["body"]


async def test_whoever_has_sent_all_may_stay_as_long_as_the_answer_takes():
    gone = asyncio.Event()

    async def watching(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == "http.disconnect"

    async def receive() -> Message:
        if gone.is_set():
            await asyncio.sleep(0.05)
            return {"type": "http.disconnect"}
        gone.set()
        return {"type": "http.request", "body": b"x"}

    app = BodyLimitMiddleware(watching, limit_bytes=LIMIT, timeout_s=0.001)
    await app({"type": "http", "path": "/", "headers": []}, receive, lambda _: asyncio.sleep(0))
