import asyncio

from starlette.types import Receive, Scope, Send

from endpoints.overload import OverloadMiddleware
from tests.endpoints.asgi import client_of, hello, until


async def test_one_request_too_many_is_told_to_come_back_and_the_exempt_path_is_not():
    release = asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await hello(scope, receive, send)

    app = OverloadMiddleware(slow, limit=2, exempt=["/health"])
    async with client_of(app) as client:
        occupying = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
        await until(lambda: app.in_progress == 2)
        refused, exempt = await client.get("/"), await client.get("/health")
        release.set()
        answers = await asyncio.gather(*occupying)
        after = await client.get("/")

    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert refused.json()["type"].endswith("#overloaded")
    assert exempt.status_code == 200
    assert [answer.status_code for answer in answers] == [200, 200]
    assert after.status_code == 200


async def test_a_request_that_fails_frees_its_place():
    async def failing(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    app = OverloadMiddleware(failing, limit=1)
    async with client_of(app, raise_app_exceptions=False) as client:
        await client.get("/")
    assert app.in_progress == 0
