"""What the ledger is told when it cannot be reached."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request

from endpoints.admission import admitted
from functions.callers import Caller
from functions.database import Database
from functions.failures import DatabaseUnavailable
from functions.generation import Timing, Usage
from tests.endpoints.conftest import Web


@pytest.fixture
async def nowhere(web: Web) -> AsyncIterator[Database]:
    database = Database("http://127.0.0.1:9", web.stack.anon_key)
    yield database
    await database.close()


async def caller_of(web: Web) -> Caller:
    user = await web.stack.user()
    return Caller(user.id, user.token, None, frozenset({"generate"}))


def request() -> Request:
    return Request({"type": "http", "headers": [], "state": {}})


async def test_an_answer_does_not_wait_for_a_ledger_that_is_away_and_its_cost_is_booked_later(
    web: Web, nowhere: Database
):
    caller, ledger = await caller_of(web), web.services.ledger
    there = ledger._database
    async with admitted(web.services, request(), caller, endpoint="tested") as admission:
        admission.used(
            Usage(prompt_tokens=3, cached_tokens=0, completion_tokens=5),
            Timing(time_to_first_token_s=0.1, total_s=1.0),
            "stop",
        )
        ledger._database = nowhere
    ledger._database = there
    async with asyncio.timeout(20):
        while not (days := (await ledger.usage(caller)).days) or days[0].running:  # noqa: ASYNC110 - as below
            await asyncio.sleep(0.1)
    assert days[0].completion_tokens == 5


async def test_without_a_ledger_no_work_begins_and_nothing_stays_reserved(web: Web, nowhere: Database):
    caller, ledger = await caller_of(web), web.services.ledger
    there, ledger._database = ledger._database, nowhere
    with pytest.raises(DatabaseUnavailable):
        async with admitted(web.services, request(), caller, endpoint="tested"):
            pytest.fail("it was admitted")
    ledger._database = there
    async with asyncio.timeout(20):
        while ledger._under_way:  # noqa: ASYNC110 - of a clean-up that goes on by itself
            await asyncio.sleep(0.1)
    assert not any(budget.reserved_usd for budget in (await ledger.usage(caller)).budgets)
