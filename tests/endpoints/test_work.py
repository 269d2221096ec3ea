import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from endpoints.server_sent_events import KEEPALIVE, Event, EventStream, wants_events
from endpoints.work import ClientGone, Emit, Work
from functions.failures import EngineUnavailable
from tests.endpoints.asgi import client_of, served, until, with_problems


class Counting:
    """An application that streams numbers for ever, and notes how its clean-up went."""

    def __init__(self, *, pause_s: float = 0.001, first_after: asyncio.Event | None = None) -> None:
        self.cleaned_up = False
        self.sent = 0
        self.pause_s = pause_s
        self.first_after = first_after
        self.app = with_problems(FastAPI())
        self.app.add_api_route("/stream", self.stream)
        self.app.add_api_route("/whole", self.whole)

    async def numbers(self, emit: Emit[Event]) -> None:
        try:
            if self.first_after:
                await self.first_after.wait()
            while True:
                await emit(Event("delta", {"n": self.sent}))
                self.sent += 1
                await asyncio.sleep(self.pause_s)
        finally:
            await asyncio.sleep(0.01)  # a clean-up that has to wait for something, as settling a reservation does
            self.cleaned_up = True

    async def stream(self, request: Request) -> Response:
        work = Work(self.numbers, request)
        await work.begin()
        return EventStream(work, keepalive_s=0.01)

    async def whole(self, request: Request) -> Response:
        try:
            async with Work(self.numbers, request) as work:
                async for _ in work:
                    pass
        except ClientGone:
            return Response(status_code=499)
        raise AssertionError("it never ends by itself")


async def test_a_client_that_leaves_a_stream_stops_the_work_and_its_clean_up_runs_whole():
    counting = Counting()
    async with served(counting.app) as url, httpx.AsyncClient(base_url=url) as client:
        async with client.stream("GET", "/stream") as response:
            async for line in response.aiter_lines():
                if line == 'data: {"n":3}':
                    break
        await until(lambda: counting.cleaned_up)
        sent = counting.sent
        await asyncio.sleep(0.02)
        assert counting.sent == sent


async def test_a_client_that_leaves_before_the_first_event_stops_the_work():
    counting = Counting(first_after=asyncio.Event())
    async with served(counting.app) as url, httpx.AsyncClient(base_url=url) as client:
        asking = asyncio.create_task(client.get("/stream"))
        await asyncio.sleep(0.05)
        asking.cancel()
        await until(lambda: counting.cleaned_up)


async def test_a_client_that_leaves_while_waiting_for_one_whole_answer_stops_the_work():
    counting = Counting()
    async with served(counting.app) as url, httpx.AsyncClient(base_url=url) as client:
        asking = asyncio.create_task(client.get("/whole"))
        await until(lambda: counting.sent > 2)
        asking.cancel()
        await until(lambda: counting.cleaned_up)


async def test_a_reader_that_takes_nothing_more_is_taken_for_gone():
    counting = Counting()

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def full(message: Message) -> None:
        if message["type"] == "http.response.body":
            await never()

    scope = {"type": "http", "method": "GET", "headers": []}
    work = Work(counting.numbers, Request(scope, never))
    await work.begin()
    response = EventStream(work, unread_s=0.02)
    await response(scope, never, full)
    assert counting.cleaned_up
    assert not response.completed


@pytest.mark.parametrize("error", [None, EngineUnavailable("the engine", "it died")])
async def test_a_client_that_leaves_when_the_work_is_done_and_much_is_unread_is_gone(error: Exception | None):
    written, left = asyncio.Event(), asyncio.Event()

    async def fills(emit: Emit[Event]) -> None:
        for number in range(32):
            await emit(Event("delta", {"n": number}))
        written.set()
        if error is not None:
            raise error

    async def disconnect() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async with asyncio.timeout(20), Work(fills, Request({"type": "http"}, disconnect)) as work:
        await written.wait()  # what is next is the end, for which there is no room
        left.set()
        for _ in range(3):  # the connection's watch learns it, then the work
            await asyncio.sleep(0)
        with pytest.raises(ClientGone):
            async for _ in work:
                pass


async def test_silence_is_filled_with_comments():
    counting = Counting(pause_s=0.1)
    async with served(counting.app) as url, httpx.AsyncClient(base_url=url) as client:
        received = b""
        async with client.stream("GET", "/stream") as response:
            async for chunk in response.aiter_raw():
                received += chunk
                if received.count(KEEPALIVE) >= 2 and b'{"n":1}' in received:
                    break
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"


def streaming(do: Callable[[Emit[Event]], Awaitable[None]]) -> FastAPI:
    app = with_problems(FastAPI())

    @app.get("/")
    async def stream(request: Request) -> Response:
        work = Work(do, request)
        await work.begin()
        return EventStream(work, status_code=201, headers={"location": "/x"})

    return app


async def test_what_fails_before_the_first_event_still_chooses_the_status():
    async def failing(_emit: Emit[Event]) -> None:
        raise EngineUnavailable("the engine", "it is starting")

    async with client_of(streaming(failing)) as client:
        response = await client.get("/")
    assert response.status_code == 503


async def test_what_fails_later_is_an_event_with_the_problem():
    async def failing(emit: Emit[Event]) -> None:
        await emit(Event("delta", {"text": "a\nb é"}, id="7"))
        raise EngineUnavailable("the engine", "it died")

    async with client_of(streaming(failing)) as client:
        response = await client.get("/")
    first, second, rest = response.text.split("\n\n")
    assert response.status_code == 201
    assert response.headers["location"] == "/x"
    assert first == 'id: 7\nevent: delta\ndata: {"text":"a\\nb é"}'
    assert second.startswith('event: error\ndata: {"type":"/docs/problems#engine-unavailable"')
    assert rest == ""


async def test_a_defect_in_mid_stream_is_an_event_too_without_its_details():
    async def failing(emit: Emit[Event]) -> None:
        await emit(Event("delta", {}))
        raise ZeroDivisionError("secret")

    async with client_of(streaming(failing)) as client:
        response = await client.get("/")
    assert '"status":500' in response.text
    assert "secret" not in response.text


async def test_a_time_limit_inside_the_work_holds_across_its_events():
    async def limited(emit: Emit[Event]) -> None:
        try:
            async with asyncio.timeout(0.05):
                while True:
                    await emit(Event("delta", {}))
                    await asyncio.sleep(0.01)
        except TimeoutError:
            await emit(Event("done", {}))

    async with client_of(streaming(limited)) as client:
        response = await client.get("/")
    assert response.text.endswith("event: done\ndata: {}\n\n")


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [("text/event-stream", True), ("application/json, Text/Event-Stream;q=0.9", True), ("*/*", False), ("", False)],
)
def test_a_stream_is_sent_to_who_asks_for_it(accept: str, *, wanted: bool):
    request = Request({"type": "http", "headers": [(b"accept", accept.encode())]})
    assert wants_events(request) is wanted
