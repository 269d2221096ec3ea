import pytest
from starlette.types import Scope

from endpoints import address_limits
from endpoints.address_limits import AddressLimits, client_address
from functions.failures import RateLimited
from tests.endpoints.conftest import Web


def scope_of(peer: str | None, *forwarded: str) -> Scope:
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("scope", "trusted_proxies", "address"),
    [
        (scope_of("198.51.100.1"), 0, "198.51.100.1"),
        (scope_of("198.51.100.1", "203.0.113.9"), 0, "198.51.100.1"),
        (scope_of("10.0.0.1", "203.0.113.9"), 1, "203.0.113.9"),
        (scope_of("10.0.0.1", "forged, 203.0.113.9"), 1, "203.0.113.9"),
        (scope_of("10.0.0.1", "forged", "203.0.113.9, 10.0.0.2"), 2, "203.0.113.9"),
        (scope_of("10.0.0.1"), 1, "10.0.0.1"),
        (scope_of("10.0.0.1", "203.0.113.9"), 2, "10.0.0.1"),
        (scope_of(None), 0, ""),
    ],
)
def test_only_what_our_own_proxies_have_seen_is_believed(scope: Scope, trusted_proxies: int, address: str):
    assert client_address(scope, trusted_proxies) == address


def test_each_address_has_a_bucket_that_fills_evenly():
    now = 0.0
    limits = AddressLimits(2, 0, clock=lambda: now)
    ours, theirs = scope_of("198.51.100.1"), scope_of("198.51.100.2")
    assert [limits.take(ours).remaining for _ in range(2)] == [1, 0]
    for refused in (limits.take, limits.require):
        with pytest.raises(RateLimited) as limited:
            refused(ours)
        assert limited.value.retry_after_s == 30
    limits.take(theirs)
    now = 30.0
    limits.require(ours)
    assert limits.take(ours).remaining == 0


def test_of_many_addresses_those_that_came_last_are_remembered(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(address_limits, "CAPACITY", 2)
    limits = AddressLimits(5, 0, clock=lambda: 0)
    one, two, three = (scope_of(f"198.51.100.{number}") for number in (1, 2, 3))
    assert [limits.take(each).remaining for each in (one, two, one, three)] == [4, 4, 3, 4]
    assert [limits.take(each).remaining for each in (one, two)] == [2, 4], "the second was forgotten"


def test_an_empty_bucket_is_full_again_in_a_minute():
    now = 0.0
    limits = AddressLimits(4, 0, clock=lambda: now)
    states = [limits.take(scope_of("198.51.100.1")) for _ in range(3)]
    assert [(state.remaining, state.reset_s) for state in states] == [(3, 15), (2, 30), (1, 45)]
    now = 7.5
    assert limits.take(scope_of("198.51.100.1")).remaining == 0, "one and a half were left"
    now = 3600.0
    state = limits.take(scope_of("198.51.100.1"))
    assert (state.remaining, state.reset_s, state.quota, state.window_s) == (3, 15, 4, 60)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:198.51.100.1", "198.51.100.1", True),
        ("no address", "neither this", True),
    ],
)
def test_a_network_of_one_customer_is_one_client(one: str, other: str, same: bool):  # noqa: FBT001 - a case's expectation
    limits = AddressLimits(1, 0, clock=lambda: 0)
    limits.take(scope_of(one))
    if same:
        with pytest.raises(RateLimited):
            limits.take(scope_of(other))
    else:
        limits.take(scope_of(other))


async def test_public_pages_and_credentials_that_do_not_hold_are_counted_by_address(strict_web: Web):
    async with strict_web.client() as stranger, strict_web.client("lsk_" + "a" * 43) as guessing:
        page = await stranger.get("/api/ir/schema")
        assert page.headers["ratelimit-policy"] == '"anonymous";q=5;w=60'
        assert page.headers["ratelimit"].startswith('"anonymous";r=4;t=')
        for remaining in (3, 2):
            answer = await guessing.get("/api/sessions")
            assert answer.status_code == 401
            assert answer.headers["ratelimit"].startswith(f'"anonymous";r={remaining};t=')
        for _ in range(2):
            assert (await stranger.get("/api/sessions")).status_code == 401
        for client, path in ((stranger, "/api/ir/schema"), (stranger, "/api/sessions"), (guessing, "/api/sessions")):
            limited = await client.get(path)
            assert limited.status_code == 429, path
            assert limited.headers["ratelimit"].startswith('"anonymous";r=0;t=')
            assert int(limited.headers["retry-after"]) >= 1
        assert (await stranger.get("/health")).status_code == 200
    _, known = await strict_web.user_client()
    assert (await known.get("/api/sessions")).status_code == 200


async def test_unknown_keys_cost_the_database_nothing_once_an_address_is_limited(strict_web: Web):
    for number in range(5):
        async with strict_web.client(f"lsk_{number:043}") as guessing:
            assert (await guessing.get("/api/sessions")).status_code == 401
    known = len(strict_web.services.authenticator._api_keys._known)
    async with strict_web.client("lsk_" + "b" * 43) as guessing:
        assert (await guessing.get("/api/sessions")).status_code == 429
    assert len(strict_web.services.authenticator._api_keys._known) == known


async def test_answers_say_what_is_left(strict_web: Web):
    _, client = await strict_web.user_client()
    answer = await client.get("/api/sessions")
    assert answer.headers["ratelimit-policy"] == '"reads";q=5;w=60'
    assert answer.headers["ratelimit"].startswith('"reads";r=4;t=')
    missing = await client.get("/api/sessions/00000000-0000-4000-8000-000000000000")
    assert missing.status_code == 404
    assert missing.headers["ratelimit"].startswith('"reads";r=3;t=')
    cold = await client.post("/api/generate", json={"prompt": "x"})
    assert cold.status_code == 503
    assert cold.headers["ratelimit-policy"] == '"generations";q=3;w=60'


async def test_a_stranger_who_names_another_address_each_time_is_still_one(strict_web: Web):
    async with strict_web.client("lsk_" + "c" * 43) as guessing:
        statuses = []
        for number in range(7):
            forged = {"x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}"}
            forged |= {"forwarded": f"for=203.0.113.{number}", "cf-connecting-ip": f"203.0.113.{number}"}
            statuses.append((await guessing.get("/api/sessions", headers=forged)).status_code)
    assert statuses == [401] * 5 + [429] * 2
