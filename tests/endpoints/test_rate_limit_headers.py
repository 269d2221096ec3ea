"""What is left of the rates that a request was counted against, on its answer."""

from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from endpoints.rate_limit_headers import counted
from endpoints.response_headers import ResponseHeadersMiddleware
from functions.ledger import RateState
from tests.endpoints.asgi import client_of, hello

MINUTE = RateState(policy="generations", quota=5, window_s=60, remaining=4, reset_s=11.2)
HOUR = RateState(policy="expensive", quota=2, window_s=3600, remaining=0, reset_s=1800)


async def answered(*limits: RateState) -> dict[str, str]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})
        counted(Request(scope), limits)
        await hello(scope, receive, send)

    async with client_of(ResponseHeadersMiddleware(app, {})) as client:
        return {name: value for name, value in (await client.get("/")).headers.items() if "ratelimit" in name}


async def test_an_answer_says_what_is_left_of_each_rate():
    assert await answered(MINUTE, HOUR) == {
        "ratelimit-policy": '"generations";q=5;w=60, "expensive";q=2;w=3600',
        "ratelimit": '"generations";r=4;t=12, "expensive";r=0;t=1800',
    }


async def test_of_what_was_not_counted_nothing_is_said():
    assert await answered() == {}
    async with client_of(ResponseHeadersMiddleware(hello, {})) as client:
        assert "ratelimit" not in (await client.get("/")).headers


async def test_what_is_no_request_passes_as_it_is():
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((scope, receive, send))

    async def receive() -> Message:
        raise AssertionError

    async def send(_message: Message) -> None:
        raise AssertionError

    scope = {"type": "lifespan"}
    await ResponseHeadersMiddleware(app, {})(scope, receive, send)
    assert seen == [scope, receive, send]
