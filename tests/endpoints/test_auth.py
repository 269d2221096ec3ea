import asyncio
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jwt
import pytest
from fastapi import FastAPI
from starlette.datastructures import Headers

from endpoints.address_limits import AddressLimits
from endpoints.auth import ALL_SCOPES, ApiKeyCallers, Authenticator
from endpoints.guard import DegradableGenerator, DegradableReader, GuardedRoute, Reader
from endpoints.jwks import KeySet
from endpoints.tokens import TokenSigner, TokenVerifier
from functions.api_keys import ApiKeyHolder, Scope
from functions.callers import Caller
from functions.degraded_mode import DegradedMode
from functions.failures import DatabaseUnavailable, RateLimited, Unauthenticated
from functions.ledger import Ledger, RateState
from functions.usage_outbox import UsageOutbox
from infra.operation_settings import DegradedSettings
from tests.endpoints.asgi import client_of, with_problems

ISSUER = "http://project.test/auth/v1"
SECRET = "a shared secret of the project, long enough"
USER = str(uuid.uuid4())
SIGNER = TokenSigner(issuer=ISSUER, secret=SECRET)


def holder(key_id: str, *scopes: Scope) -> ApiKeyHolder:
    return ApiKeyHolder(key_id=key_id, user_id=USER, scopes=frozenset(scopes), expires_at=None, email=None)


class Keys:
    """A table of API keys in memory, with a clock and a count of look-ups."""

    def __init__(self) -> None:
        self.holders = {"lsk_live": holder("key-1", "read")}
        self.lookups = 0
        self.now = 0.0
        self.down = False

    async def look_up(self, key: str) -> ApiKeyHolder | None:
        self.lookups += 1
        await asyncio.sleep(0)
        if self.down:
            raise DatabaseUnavailable("the database", "no answer")
        return self.holders.get(key)

    def callers(self, *, capacity: int = 100) -> ApiKeyCallers:
        return ApiKeyCallers(self.look_up, SIGNER, capacity=capacity, clock=lambda: self.now)


async def _no_keys() -> dict[str, Any]:
    return {"keys": []}


def authenticator(keys: Keys | None = None) -> Authenticator:
    verifier = TokenVerifier(issuer=ISSUER, keys=KeySet(_no_keys), secret=SECRET)
    return Authenticator(verifier, (keys or Keys()).callers())


def bearer(credential: str) -> Headers:
    return Headers({"authorization": f"Bearer {credential}"})


def test_nobody_is_an_operator_or_has_an_address_unless_it_is_said():
    caller = Caller(USER, "a.b.c", None, frozenset())
    assert (caller.operator, caller.email) == (False, None)


async def test_a_users_token_is_passed_on_as_it_is():
    token = SIGNER.sign(USER, lifetime_s=60, claims={"email": "a@b.test"})
    caller = await authenticator().caller(bearer(token))
    assert (caller.user_id, caller.token, caller.email) == (USER, token, "a@b.test")
    assert (caller.key_id, caller.scopes, caller.operator) == (None, ALL_SCOPES, False)


@pytest.mark.parametrize(
    ("claims", "operator"),
    [
        ({"app_metadata": {"operator": True}}, True),
        ({"app_metadata": {"operator": "true"}}, False),
        ({"app_metadata": {}}, False),
        ({"user_metadata": {"operator": True}}, False),
        ({"operator": True}, False),
    ],
)
async def test_operators_are_who_the_server_says_never_who_says_so(claims: dict[str, Any], *, operator: bool):
    caller = await authenticator().caller(bearer(SIGNER.sign(USER, lifetime_s=60, claims=claims)))
    assert caller.operator is operator


@pytest.mark.parametrize("headers", [bearer("lsk_live"), Headers({"x-api-key": "lsk_live"})])
async def test_an_api_key_acts_as_its_user_by_a_token_of_five_minutes(headers: Headers):
    caller = await authenticator().caller(headers)
    claims = jwt.decode(caller.token, SECRET, ["HS256"], audience="authenticated", issuer=ISSUER)
    assert caller.user_id == claims["sub"] == USER
    assert caller.key_id == claims["key_id"] == "key-1"
    assert claims["role"] == "authenticated"
    assert claims["exp"] == pytest.approx(time.time() + 300, abs=5)
    assert caller.scopes == {"read"}


async def test_a_key_is_looked_up_once_a_while_however_many_requests_bring_it():
    keys = Keys()
    callers = keys.callers()
    await asyncio.gather(*(callers.caller("lsk_live") for _ in range(50)))
    keys.now = 29
    await callers.caller("lsk_live")
    assert keys.lookups == 1


async def test_a_revoked_key_is_refused_within_a_minute_and_a_new_one_works_as_soon():
    keys = Keys()
    callers = keys.callers()
    await callers.caller("lsk_live")
    with pytest.raises(Unauthenticated):
        await callers.caller("lsk_new")
    keys.holders = {"lsk_new": holder("key-2", "read", "generate", "admin")}
    keys.now = 60
    with pytest.raises(Unauthenticated, match="revoked"):
        await callers.caller("lsk_live")
    assert (await callers.caller("lsk_new")).key_id == "key-2"


async def test_an_outage_is_not_remembered():
    keys = Keys()
    keys.down = True
    callers = keys.callers()
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_live")
    keys.down = False
    assert await callers.caller("lsk_live")


async def test_made_up_keys_do_not_fill_the_memory():
    keys = Keys()
    callers = keys.callers(capacity=10)
    for i in range(100):
        with pytest.raises(Unauthenticated):
            await callers.caller(f"lsk_{i}")
    assert len(callers._known) == 10


async def test_one_request_that_gives_up_does_not_take_the_answer_from_the_others():
    keys = Keys()
    callers = keys.callers()
    impatient = asyncio.create_task(callers.caller("lsk_live"))
    patient = asyncio.create_task(callers.caller("lsk_live"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).key_id == "key-1"


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        (Headers({}), "send `Authorization"),
        (Headers({"authorization": "Basic dXNlcjpwYXNz"}), "not `Bearer"),
        (Headers({"authorization": "Bearer "}), "not `Bearer"),
        (Headers({"authorization": "Bearer"}), "not `Bearer"),
        (Headers({"x-api-key": "a.b.c"}), "begins with lsk_"),
        (Headers(raw=[(b"authorization", b"Bearer lsk_live")] * 2), "more than one"),
        (bearer("lsk_" + "x" * 500), "longer than any"),
        (bearer("not a token"), "does not hold"),
    ],
)
async def test_what_is_no_credential_is_refused_with_what_to_send(headers: Headers, said: str):
    with pytest.raises(Unauthenticated, match=said):
        await authenticator().caller(headers)


@pytest.mark.parametrize("authorization", ["bearer  {} ", "BEARER {}", "Bearer {}"])
async def test_the_scheme_is_written_as_one_likes_and_goes_before_another_header(authorization: str):
    headers = Headers({"authorization": authorization.format("lsk_live"), "x-api-key": "lsk_other"})
    assert (await authenticator().caller(headers)).key_id == "key-1"


async def test_the_longest_key_is_looked_up_and_none_beyond_it():
    keys = Keys()
    longest = "lsk_" + "x" * 252
    for key, said in ((longest, "not known here"), (longest + "x", "longer than any")):
        with pytest.raises(Unauthenticated, match=said):
            await keys.callers().caller(key)
    assert keys.lookups == 1


async def test_what_stands_against_asking_stands_against_nothing_else():
    keys = Keys()
    callers = keys.callers()

    def limited() -> None:
        raise RateLimited("anonymous", 1, 60, remaining=0, retry_after_s=1)

    with pytest.raises(RateLimited):
        await callers.caller("lsk_live", limited)
    await callers.caller("lsk_live")
    assert (await callers.caller("lsk_live", limited)).key_id == "key-1", "it is known"
    assert keys.lookups == 1


async def test_of_many_keys_those_asked_for_last_are_remembered():
    keys, degraded = Keys(), Degraded()
    keys.holders |= {f"lsk_{i}": holder(f"key {i}", "read") for i in range(3)}
    callers = keys.callers(capacity=2)
    for name in ("0", "1"):
        await callers.caller(f"lsk_{name}")
    keys.now = 30
    for name in ("0", "2", "0", "2"):
        await callers.caller(f"lsk_{name}")
    assert keys.lookups == 4
    keys.now, keys.down = 100, True
    assert (await callers.caller("lsk_2", degraded=degraded)).key_id == "key 2"
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_1", degraded=degraded)


class Degraded(DegradedMode):
    """Degraded mode as far as keys are concerned."""

    def __init__(self) -> None:
        self.verified_within_s = 600
        self.failures = 0

    @property
    def is_away(self) -> bool:
        return self.failures > 0

    def failed(self) -> None:
        self.failures += 1


async def test_in_degraded_mode_a_key_is_good_for_as_long_as_it_was_good_lately():
    keys, degraded = Keys(), Degraded()
    callers = keys.callers()
    await callers.caller("lsk_live")
    keys.now, keys.down = 60, True
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_live")
    asking = Authenticator(TokenVerifier(issuer=ISSUER, keys=KeySet(_no_keys), secret=SECRET), callers)
    assert (await asking.caller(bearer("lsk_live"), degraded=degraded)).key_id == "key-1"
    assert degraded.failures == 1
    asked = keys.lookups
    await callers.caller("lsk_live", degraded=degraded)
    assert keys.lookups == asked, "what has just failed is not asked again"
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_dead", degraded=degraded)
    keys.now = 601
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_live", degraded=degraded)


async def test_in_degraded_mode_a_key_that_was_found_revoked_stays_so():
    keys = Keys()
    callers = keys.callers()
    await callers.caller("lsk_live")
    revoked, keys.holders = keys.holders, {}
    keys.now = 60
    with pytest.raises(Unauthenticated):
        await callers.caller("lsk_live")
    keys.now, keys.down, keys.holders = 120, True, revoked
    with pytest.raises(DatabaseUnavailable):
        await callers.caller("lsk_live", degraded=Degraded())


class Reads:
    """The rate of reading, of which the database can be asked unless it is down; with a count of that."""

    asked = 0
    down = False

    async def take(self, _caller: Caller) -> RateState:
        self.asked += 1
        if self.down:
            raise DatabaseUnavailable("the database", "no answer")
        return RateState(policy="reads", quota=5, window_s=60, remaining=4, reset_s=12)


async def test_only_routes_that_need_no_database_go_on_without_it(tmp_path: Path):
    settings = DegradedSettings(
        enabled=True,
        verified_within_s=600,
        requests_per_minute=6,
        allowance_usd=1.0,
        outbox_directory="unused",
        outbox_entries=4,
    )
    keys, reads = Keys(), Reads()
    keys.holders["lsk_live"] = holder("key-1", "read", "generate")
    degraded = DegradedMode(settings, cast("Ledger", None), UsageOutbox(tmp_path, 4), clock=lambda: keys.now)
    app = with_problems(FastAPI())
    app.router.route_class = GuardedRoute
    app.state.services = SimpleNamespace(
        authenticator=authenticator(keys), address_limits=AddressLimits(100, 0), degraded=degraded, read_limits=reads
    )

    async def reading(caller: Reader) -> str | None:
        return caller.key_id

    async def going_on(caller: DegradableReader) -> str | None:
        return caller.key_id

    app.router.add_api_route("/reading", reading)

    async def generating(caller: DegradableGenerator) -> str | None:
        return caller.key_id

    app.router.add_api_route("/going-on", going_on)
    app.router.add_api_route("/generating", generating)
    async with client_of(app, headers={"x-api-key": "lsk_live"}) as client:
        for path in ("/going-on", "/reading", "/generating"):
            assert (await client.get(path)).json() == "key-1"
        assert reads.asked == 2, "generating is counted when it is admitted"
        keys.now, keys.down, reads.down = 60, True, True
        assert (await client.get("/reading")).status_code == 503
        assert not degraded.is_away, "nothing was to go on"
        for path in ("/going-on", "/generating"):
            assert (await client.get(path)).json() == "key-1"
        assert degraded.is_away
        assert reads.asked == 2, "what has just failed is not asked again"
