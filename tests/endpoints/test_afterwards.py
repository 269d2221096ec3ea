"""What nobody's answer needs is put off until the answer is sent, and is done before anybody looks for it."""

import asyncio
from dataclasses import replace

import httpx
import pytest
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from endpoints.admitted_work import let_begin
from endpoints.afterwards import AfterAnswerMiddleware, Afterwards
from functions.callers import Caller
from functions.failures import TooManyAtOnce
from functions.ledger import Ledger, Outcome, Work
from tests.endpoints.asgi import hello, served, until
from tests.endpoints.conftest import Web

USER = "a user"
OUTCOME = Outcome(cost_usd=0.25, finish_reason="stop")


class Counted:
    """A piece of work that waits for a gate, and how often it was done."""

    def __init__(self, *, open_: bool = True) -> None:
        self.gate = asyncio.Event()
        self.times = 0
        if open_:
            self.gate.set()

    async def __call__(self) -> None:
        await self.gate.wait()
        self.times += 1


def scope_of(user: str = USER) -> Scope:
    """A request's that has not been answered, as the middleware leaves it."""
    return {"type": "http", "state": {"put_off": []}, "user": user}


async def test_an_answer_does_not_wait_for_what_was_put_off():
    afterwards, work = Afterwards(), Counted(open_=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert afterwards.put_off(scope, USER, work)
        await hello(scope, receive, send)

    async with served(AfterAnswerMiddleware(app)) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "hello"
        await until(lambda: bool(afterwards._tasks))  # it has begun by itself
        assert work.times == 0
        work.gate.set()
        await afterwards.do_now(USER)
        assert work.times == 1


async def test_it_is_done_at_once_for_who_must_see_it_and_only_once():
    afterwards, work, others = Afterwards(), Counted(), Counted()
    assert afterwards.put_off(scope_of(), USER, work)
    assert afterwards.put_off(scope_of(), "another user", others)
    assert await afterwards.do_now(USER)
    assert (work.times, others.times) == (1, 0)
    assert not await afterwards.do_now(USER)
    await afterwards.close()
    assert (work.times, others.times) == (1, 1)


async def test_a_client_that_does_not_take_its_answer_holds_up_nothing():
    afterwards, work = Afterwards(longest_s=0), Counted()
    assert afterwards.put_off(scope_of(), USER, work)
    await until(lambda: not afterwards._put_off)
    assert work.times == 1


async def test_nothing_is_put_off_that_no_answer_will_follow():
    afterwards, work = Afterwards(), Counted()
    answered: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        answered.append(scope)
        await hello(scope, receive, send)

    async with served(AfterAnswerMiddleware(app)) as url, httpx.AsyncClient() as client:
        await client.get(url)
        await until(lambda: answered[0]["state"]["put_off"] is None)
    assert not afterwards.put_off(answered[0], USER, work)
    assert not afterwards.put_off({"type": "http"}, USER, work)


async def test_what_is_answered_and_not_settled_stands_in_nobodys_way(web: Web):
    user = await web.stack.user()
    caller = Caller(user.id, user.token, None, frozenset({"generate"}))
    one_at_once = web.services.settings.limits.model_copy(update={"concurrent_generations": 1})
    ledger = Ledger(web.services.ledger._database, web.services.ledger._acting, one_at_once)
    services = replace(web.services, ledger=ledger)

    def work() -> Work:
        return Work(endpoint="e", environment="local", model="m", gpu="cpu", estimated_usd=0.5)

    async def begin(scope: Scope) -> None:
        request = Request(scope)
        request.state.degraded = None
        admitted = await let_begin(services, request, caller, work())
        await admitted.settle(OUTCOME)

    for _ in range(3):
        await begin(scope_of())
    admitted = await let_begin(services, Request(scope_of() | {"state": {"degraded": None}}), caller, work())
    with pytest.raises(TooManyAtOnce):  # now there is one that has not ended
        await begin(scope_of())
    await admitted.settle(OUTCOME)
    usage = (await web.client(user.token).get("/api/usage")).json()
    assert (usage["days"][0]["generations"], usage["days"][0]["running"]) == (4, 0)
    assert usage["days"][0]["cost_usd"] == pytest.approx(1.0)
