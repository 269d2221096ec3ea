import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from endpoints.overload import OverloadMiddleware, require_share
from endpoints.problems import problem_for
from functions.callers import Caller
from functions.failures import Overloaded
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


class Crowded:
    """A server of a hundred places, whose requests stay until they are let go."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.server = OverloadMiddleware(self._stay, limit=100)
        self.requests: list[asyncio.Task[None]] = []

    @property
    def users(self) -> dict[str, int]:
        return dict(self.server.users)

    async def come(self, user_id: str, count: int = 1) -> None:
        """So many requests of one user more, each of which is refused, or stays."""
        for _ in range(count):
            scope = {"type": "http", "path": "/", "user_id": user_id}
            self.requests.append(asyncio.create_task(self.server(scope, self._nothing, self._drop)))
            await asyncio.sleep(0)

    async def end(self) -> list[Overloaded | None]:
        """What each was refused with, in the order of coming."""
        self.release.set()
        return await asyncio.gather(*self.requests, return_exceptions=True)  # type: ignore[return-value] # no other

    async def _stay(self, scope: Scope, _receive: Receive, _send: Send) -> None:
        require_share(scope, Caller(scope["user_id"], "", None, frozenset()))
        await self.release.wait()

    async def _nothing(self) -> Message:
        raise AssertionError("no body is read")

    async def _drop(self, _message: Message) -> None:
        """What is answered at the door."""


async def test_one_user_alone_may_have_most_of_a_server_and_another_still_finds_a_place():
    crowded = Crowded()
    await crowded.come("greedy", 100)
    assert crowded.users == {"greedy": 76}
    await crowded.come("late", 2)
    assert crowded.users == {"greedy": 76, "late": 2}
    refusals = await crowded.end()
    assert [refusal is None for refusal in refusals] == [True] * 76 + [False] * 24 + [True] * 2
    problem = problem_for(refusals[76])
    assert (problem.status, problem.kind.name, problem.headers["retry-after"]) == (503, "overloaded", "1")
    assert crowded.users == {}
    assert crowded.server.in_progress == 0


@pytest.mark.parametrize("count", [2, 10, 80])
async def test_users_who_all_want_everything_get_the_same_and_who_has_none_gets_in(count: int):
    crowded = Crowded()
    for _ in range(60):
        for number in range(count):
            await crowded.come(f"user {number}")
    has = crowded.users
    await crowded.come("late")
    assert crowded.users == {**has, "late": 1}
    await crowded.end()
    assert len(has) == count
    assert max(has.values()) - min(has.values()) <= 1
    assert sum(has.values()) >= 80


async def test_what_is_free_goes_to_who_has_fewer():
    crowded = Crowded()
    await crowded.come("greedy", 100)
    await crowded.come("other", 100)
    has = crowded.users
    assert has["other"] > 1
    await crowded.come("greedy", 10)
    assert crowded.users == has, "who has more waits until places are free"
    await crowded.end()
