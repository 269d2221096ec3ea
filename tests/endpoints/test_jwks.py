import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from endpoints.jwks import KeySet
from functions.failures import Unavailable
from tests.endpoints.signing import public_jwk, signing_key


class Provider:
    """An identity provider's key document, with a clock and a count of how often it was asked."""

    def __init__(self, *kids: str) -> None:
        self.keys: list[dict[str, Any]] = [public_jwk(signing_key(), kid) for kid in kids]
        self.fetches = 0
        self.down = False
        self.now = 1000.0

    async def fetch(self) -> dict[str, Any]:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.down:
            raise ConnectionError
        return {"keys": self.keys}

    def key_set(self) -> KeySet:
        return KeySet(self.fetch, clock=lambda: self.now)


async def test_keys_are_fetched_once_and_then_known():
    provider = Provider("a", "b")
    keys = provider.key_set()
    assert await keys.key("a")
    assert await keys.key("b")
    assert provider.fetches == 1


async def test_many_requests_at_the_start_wait_for_one_fetch():
    provider = Provider("a")
    keys = provider.key_set()
    found = await asyncio.gather(*(keys.key("a") for _ in range(50)))
    assert all(found)
    assert provider.fetches == 1


async def test_an_unknown_kid_is_asked_for_at_most_once_a_minute():
    provider = Provider("a")
    keys = provider.key_set()
    await keys.key("a")
    for i in range(100):
        assert await keys.key(f"made-up-{i}") is None
    assert provider.fetches == 1
    provider.keys.append(public_jwk(signing_key(), "rotated"))
    provider.now += 60
    assert await keys.key("rotated")
    assert provider.fetches == 2


async def test_a_key_that_was_withdrawn_is_gone_after_the_maximal_age():
    provider = Provider("a", "b")
    keys = provider.key_set()
    await keys.key("a")
    provider.keys.pop(0)
    provider.now += 601
    assert await keys.key("a") is None
    assert await keys.key("b")


async def test_known_keys_outlive_an_outage_of_the_provider_but_not_for_ever():
    provider = Provider("a")
    keys = provider.key_set()
    await keys.key("a")
    provider.down = True
    provider.now += 3000
    with capture_logs() as logged:
        assert await keys.key("a")
    assert logged == [
        {
            "event": "signing keys could not be fetched",
            "error": "ConnectionError",
            "age_s": 3000.0,
            "log_level": "warning",
        }
    ]
    provider.now += 1000
    with pytest.raises(Unavailable):
        await keys.key("a")


async def test_an_outage_is_not_made_worse_by_those_who_wait_for_its_end():
    provider = Provider("a")
    keys = provider.key_set()
    await keys.key("a")
    provider.down = True
    provider.now += 601
    for _ in range(10):
        assert await keys.key("a"), "old, and still in use"
    assert provider.fetches == 2
    provider.now += 3000
    for _ in range(10):
        with pytest.raises(Unavailable):
            await keys.key("a")
    assert provider.fetches == 3


async def test_what_is_known_is_asked_for_again_when_it_is_old_and_not_before():
    provider = Provider("a")
    keys = provider.key_set()
    for later, fetches in ((0, 1), (599, 1), (2, 2), (599, 2), (2, 3)):
        provider.now += later
        assert await keys.key("a")
        assert provider.fetches == fetches


async def test_a_provider_without_any_keys_has_none():
    async def nothing() -> dict[str, Any]:
        return {}

    assert await KeySet(nothing).key("a") is None


async def test_a_key_need_not_say_what_it_is_for():
    provider = Provider("a")
    for left_out in ("use", "alg"):
        provider.keys[0].pop(left_out, None)
    assert await provider.key_set().key("a")


async def test_a_provider_that_comes_up_late_is_noticed_within_a_second():
    provider = Provider("a")
    provider.down = True
    keys = provider.key_set()
    with pytest.raises(Unavailable):
        await keys.key("a")
    provider.down = False
    provider.now += 1
    assert await keys.key("a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "x", "alg": "HS256"},
        {**public_jwk(signing_key(), "x"), "use": "enc"},
        {**public_jwk(signing_key(), "x"), "alg": "HS256"},
        {**public_jwk(signing_key(), "x"), "x": "AAAA"},
        {**public_jwk(signing_key(), "x"), "kid": 7},
        {},
    ],
)
async def test_keys_that_are_not_for_verifying_signatures_are_left_out(wrong: dict[str, Any]):
    provider = Provider("a")
    provider.keys.append(wrong)
    keys = provider.key_set()
    assert await keys.key("x") is None
    assert await keys.key("a")
