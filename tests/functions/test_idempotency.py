"""A request that is sent again: replayed, told to wait, or refused; its work is done once."""

import asyncio

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.failures import KeyReused, Refused, StillRunning
from functions.idempotency import Idempotency, Lease, StoredAnswer, fingerprint
from tests.database_fixtures import Stack, execute

ANSWER = StoredAnswer(status=201, headers={"location": "/api/sessions/1"}, body='{"b": 1,  "a": "\\u0000é"}')


@pytest.fixture
def idempotency(data: Database) -> Idempotency:
    return Idempotency(data)


async def leased(idempotency: Idempotency, caller: Caller, key: str = "k", request: str = "r") -> Lease:
    lease = await idempotency.begin(caller, key, request)
    assert isinstance(lease, Lease)
    return lease


async def test_the_answer_is_replayed_as_it_was(idempotency: Idempotency, alice: Caller):
    lease = await leased(idempotency, alice)
    assert await idempotency.complete(alice, lease, ANSWER)
    assert await idempotency.complete(alice, lease, ANSWER)
    for _ in range(2):
        assert await idempotency.begin(alice, "k", "r") == ANSWER


async def test_while_the_first_runs_the_second_is_told_so(idempotency: Idempotency, alice: Caller, bob: Caller):
    lease = await leased(idempotency, alice)
    with pytest.raises(StillRunning):
        await idempotency.begin(alice, "k", "r")
    await leased(idempotency, bob)  # keys are each user's own
    await idempotency.release(alice, lease)
    await leased(idempotency, alice)


async def test_another_request_with_the_same_key_is_refused(idempotency: Idempotency, alice: Caller):
    lease = await leased(idempotency, alice)
    with pytest.raises(KeyReused, match="another request"):
        await idempotency.begin(alice, "k", "other")
    await idempotency.complete(alice, lease, ANSWER)
    with pytest.raises(KeyReused, match="another request"):
        await idempotency.begin(alice, "k", "other")


async def test_of_many_at_once_one_does_the_work(idempotency: Idempotency, alice: Caller):
    tries = (idempotency.begin(alice, "k", "r") for _ in range(30))
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, Lease) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StillRunning) for outcome in outcomes) == 29


async def test_a_dead_runs_key_is_taken_over_and_its_late_answer_is_not_kept(data: Database, alice: Caller):
    hasty = Idempotency(data, lease_s=0)
    dead = await leased(hasty, alice)
    heir = await leased(hasty, alice)
    assert not await hasty.complete(alice, dead, ANSWER)
    await hasty.release(alice, dead)
    assert await hasty.complete(alice, heir, ANSWER)
    assert await hasty.begin(alice, "k", "r") == ANSWER


async def test_a_key_is_forgotten_after_a_day(idempotency: Idempotency, data: Database, stack: Stack, alice: Caller):
    await idempotency.complete(alice, await leased(idempotency, alice), ANSWER)
    await leased(idempotency, alice, "other")
    await execute(stack.dsn, "update public.idempotency_keys set expires_at = now() where key = 'k'")
    again = await leased(idempotency, alice, request="another")
    await idempotency.release(alice, again)
    await execute(stack.dsn, "update public.idempotency_keys set expires_at = now()")
    for left in (1, 0):
        assert await data.call("forget_idempotency_keys", token=stack.service_role_key) == left


@pytest.mark.parametrize("key", ["", "k" * 256])
async def test_a_key_of_no_or_too_many_characters_is_refused(idempotency: Idempotency, alice: Caller, key: str):
    with pytest.raises(Refused, match="255"):
        await idempotency.begin(alice, key, "r")


def test_a_fingerprint_tells_requests_apart():
    requests = [("POST", "/a", b"b"), ("PUT", "/a", b"b"), ("POST", "/ab", b""), ("POST", "/a", b"")]
    assert len({fingerprint(*request) for request in requests}) == len(requests)
