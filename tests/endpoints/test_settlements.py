"""What an answer has cost is booked after it, together with what ends close to it, and before anybody looks for it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from starlette.requests import Request
from structlog.testing import capture_logs

from endpoints.admitted_work import Admitted, let_begin
from endpoints.afterwards import Afterwards
from endpoints.settlements import Begun, Settlements
from functions.callers import Caller
from functions.database import Database
from functions.failures import TooManyAtOnce
from functions.ledger import MOST_TOGETHER, Ledger, Outcome, Work
from tests.data_fixtures import WIDE, People, work
from tests.endpoints.asgi import until
from tests.endpoints.conftest import Web

OUTCOME = Outcome(cost_usd=0.25, finish_reason="stop")
NOT_BY_ITSELF_S = 3600.0


class Noting(Ledger):
    """The ledger, and how it was asked: for whom, and for how many in one call."""

    calls: list[tuple[str, int]]

    async def settle(self, caller: Caller, reservation_id: str, outcome: Outcome) -> None:
        self.calls.append((caller.user_id, 1))
        await super().settle(caller, reservation_id, outcome)

    async def settle_many(self, caller: Caller, outcomes: Sequence[tuple[str, Outcome]]) -> Any:
        self.calls.append((caller.user_id, len(outcomes)))
        return await super().settle_many(caller, outcomes)


@pytest.fixture
def noting(data: Database, people: People) -> Noting:
    ledger = Noting(data, people.acting, WIDE)
    ledger.calls = []
    return ledger


def settlements_of(ledger: Ledger, *, at_once: int = 1000) -> Settlements:
    return Settlements(ledger, Afterwards(), None, at_once=at_once, together_s=NOT_BY_ITSELF_S)


async def begun(settlements: Settlements, ledger: Ledger, caller: Caller) -> Begun:
    one = Begun(caller, work(0.5))
    await ledger.admit(caller, one.work)
    settlements.begin(one)
    return one


async def spent(ledger: Ledger, caller: Caller) -> tuple[float, int]:
    (today,) = (await ledger.usage(caller)).days
    return today.cost_usd, today.running


async def test_a_users_go_together_and_two_users_never_do(noting: Noting, alice: Caller, bob: Caller):
    settlements = settlements_of(noting)
    with_key = replace(alice, token="", key_id=None)
    for caller in (alice, bob, with_key, bob, alice):
        settlements.put_off(await begun(settlements, noting, caller), OUTCOME)
    assert noting.calls == []
    assert await settlements.do_now(alice.user_id)
    assert noting.calls == [(alice.user_id, 3)]
    assert await spent(noting, alice) == (0.75, 0)
    assert await spent(noting, bob) == (0, 2)
    assert not await settlements.do_now(alice.user_id)
    await settlements._afterwards.close()
    assert noting.calls[1:] == [(bob.user_id, 2)]
    assert await spent(noting, bob) == (0.5, 0)
    assert settlements._users == {}


async def test_some_tens_do_not_wait_for_more(noting: Noting, alice: Caller):
    settlements = settlements_of(noting)
    for _ in range(MOST_TOGETHER):
        assert noting.calls == []
        one = Begun(alice, work())
        settlements.begin(one)
        settlements.put_off(one, OUTCOME)
    await until(lambda: noting.calls == [(alice.user_id, MOST_TOGETHER)])
    await settlements._afterwards.close()


async def test_places_that_become_few_are_not_held_by_what_waits(noting: Noting, alice: Caller):
    settlements = settlements_of(noting, at_once=6)
    settlements.put_off(await begun(settlements, noting, alice), OUTCOME)
    running = [await begun(settlements, noting, alice)]
    assert noting.calls == []
    running.append(await begun(settlements, noting, alice))  # half of the places
    await until(lambda: noting.calls == [(alice.user_id, 1)])
    for one in running:
        await settlements.release(one, None)
    await settlements._afterwards.close()
    assert settlements._users == {}


async def test_some_wait_for_a_moment_and_no_longer(noting: Noting, alice: Caller):
    settlements = Settlements(noting, Afterwards(), None, at_once=1000, together_s=0.01)
    for _ in range(2):
        settlements.put_off(await begun(settlements, noting, alice), OUTCOME)
        await until(lambda: settlements._users == {})
    assert noting.calls == [(alice.user_id, 1)] * 2


@pytest.mark.parametrize(
    ("bad", "calls"),
    [
        (replace(OUTCOME, session_id="no id"), [3]),  # that one is refused
        (replace(OUTCOME, prompts=({"version": "\0"},)), [3, 1, 1, 1]),  # the whole call is: then one by one
    ],
)
async def test_one_that_is_refused_takes_no_other_with_it(
    noting: Noting, alice: Caller, bad: Outcome, calls: list[int]
):
    settlements = settlements_of(noting)
    ids = []
    for outcome in (OUTCOME, bad, OUTCOME):
        one = await begun(settlements, noting, alice)
        settlements.put_off(one, outcome)
        ids.append(one.work.id)
    with capture_logs() as logged:
        await settlements.do_now(alice.user_id)
    assert [line["id"] for line in logged if line["event"] == "not settled"] == [ids[1]]
    assert noting.calls == [(alice.user_id, many) for many in calls]
    assert await spent(noting, alice) == (0.5, 1)


async def test_what_is_answered_and_not_settled_stands_in_nobodys_way(web: Web, people: People):
    user = await web.stack.user()
    caller = Caller(user.id, user.token, None, frozenset({"generate"}))
    two_at_once = WIDE.model_copy(update={"concurrent_generations": 2})
    ledger = Ledger(web.services.ledger._database, people.acting, two_at_once)
    settlements = Settlements(ledger, web.services.afterwards, None, at_once=1000, together_s=NOT_BY_ITSELF_S)
    services = replace(web.services, ledger=ledger, settlements=settlements)

    async def begin() -> Admitted:
        asked = Work(endpoint="e", environment="local", model="m", gpu="cpu", estimated_usd=0.5)
        return await let_begin(services, Request({"type": "http", "state": {"degraded": None}}), caller, asked)

    for _ in range(5):
        await (await begin()).settle(OUTCOME)
    running = [await begin(), await begin()]
    with pytest.raises(TooManyAtOnce):  # these have not ended
        await begin()
    for one in running:
        await one.settle(OUTCOME)
    client = web.client(user.token)
    waiting = replace(web.services, settlements=settlements)
    web.app.state.services = waiting
    usage = (await client.get("/api/usage")).json()
    assert (usage["days"][0]["generations"], usage["days"][0]["running"]) == (7, 0)
    assert usage["days"][0]["cost_usd"] == pytest.approx(1.75)


async def test_a_client_that_leaves_takes_no_settlement_with_it(noting: Noting, alice: Caller):
    settlements = settlements_of(noting)
    one = await begun(settlements, noting, alice)
    leaving = asyncio.create_task(settlements.settle(one, OUTCOME))
    await until(lambda: bool(noting.calls))
    leaving.cancel()
    await settlements._afterwards.close()
    assert await spent(noting, alice) == (0.25, 0)
