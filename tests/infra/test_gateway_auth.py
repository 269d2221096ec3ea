import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import pytest
from httpx_aiohttp import AiohttpTransport
from supabase import AsyncClient, AsyncClientOptions, acreate_client
from supabase_auth.errors import AuthApiError, AuthWeakPasswordError

from infra.local.gateway import Keys
from tests.database_fixtures import Stack, execute

EMAIL, PASSWORD = "ada@example.com", "correct horse"


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=AiohttpTransport(), timeout=30) as client:
        yield client


async def connect(stack: Stack, http: httpx.AsyncClient, key: str) -> AsyncClient:
    options = AsyncClientOptions(httpx_client=http, auto_refresh_token=False, persist_session=True)
    return await acreate_client(stack.url, key, options)


@pytest.fixture
async def supabase(stack: Stack, http: httpx.AsyncClient) -> AsyncClient:
    return await connect(stack, http, stack.anon_key)


@pytest.fixture
async def admin(stack: Stack, http: httpx.AsyncClient) -> AsyncClient:
    return await connect(stack, http, stack.service_role_key)


async def test_signing_up_signs_in(supabase: AsyncClient):
    answer = await supabase.auth.sign_up(
        {"email": " Ada@Example.com", "password": PASSWORD, "options": {"data": {"name": "Ada"}}}
    )
    assert answer.user
    assert answer.session
    assert (answer.user.email, answer.user.role, answer.user.aud) == (EMAIL, "authenticated", "authenticated")
    assert answer.user.user_metadata["name"] == "Ada"
    assert answer.user.app_metadata == {"provider": "email", "providers": ["email"]}
    assert answer.user.identities
    assert answer.user.identities[0].provider == "email"
    assert answer.session.expires_in == 3600


async def test_the_access_token_has_the_claims_of_supabases(
    stack: Stack, http: httpx.AsyncClient, supabase: AsyncClient
):
    answer = await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    assert answer.user
    assert answer.session
    jwks = jwt.PyJWKSet.from_dict((await http.get(f"{stack.url}/auth/v1/.well-known/jwks.json")).json())
    token = answer.session.access_token
    key = jwks[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="authenticated", issuer=f"{stack.url}/auth/v1")
    assert (claims["sub"], claims["email"], claims["role"]) == (answer.user.id, EMAIL, "authenticated")
    assert claims["exp"] - claims["iat"] == 3600
    assert uuid.UUID(claims["session_id"])
    assert "d" not in key._jwk_data
    verified = await supabase.auth.get_claims(token)
    assert verified
    assert verified["claims"]["sub"] == answer.user.id


async def test_the_token_is_that_user_in_the_database(stack: Stack, supabase: AsyncClient):
    await execute(stack.dsn, "create function me() returns uuid language sql stable as $$ select auth.uid() $$")
    answer = await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    assert answer.user
    assert (await supabase.rpc("me", {}).execute()).data == answer.user.id


async def test_signing_in_by_password(supabase: AsyncClient):
    await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    answer = await supabase.auth.sign_in_with_password({"email": EMAIL.upper(), "password": PASSWORD})
    assert answer.user
    assert answer.user.last_sign_in_at


async def test_a_wrong_password_and_an_unknown_address_are_told_the_same(supabase: AsyncClient):
    await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    told = set()
    for email, password in ((EMAIL, "wrong horse"), ("nobody@example.com", PASSWORD)):
        with pytest.raises(AuthApiError) as caught:
            await supabase.auth.sign_in_with_password({"email": email, "password": password})
        told.add((caught.value.status, caught.value.code, caught.value.message))
    assert told == {(400, "invalid_credentials", "Invalid login credentials")}


@pytest.mark.parametrize(
    ("email", "password", "status", "code"),
    [
        (EMAIL, PASSWORD, 422, "user_already_exists"),
        ("no address", PASSWORD, 400, "validation_failed"),
        ("b@example.com", "x" * 73, 400, "validation_failed"),
    ],
)
async def test_what_cannot_be_signed_up(supabase: AsyncClient, email: str, password: str, status: int, code: str):
    await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.sign_up({"email": email, "password": password})
    assert (caught.value.status, caught.value.code) == (status, code)


async def test_a_short_password_is_weak(supabase: AsyncClient):
    with pytest.raises(AuthWeakPasswordError) as caught:
        await supabase.auth.sign_up({"email": EMAIL, "password": "12345"})
    assert caught.value.reasons == ["length"]


async def test_refreshing_gives_new_tokens(supabase: AsyncClient):
    first = (await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})).session
    second = (await supabase.auth.refresh_session()).session
    assert first
    assert second
    assert second.user
    assert second.refresh_token != first.refresh_token
    assert (await supabase.auth.get_user(second.access_token)) is not None


async def test_a_lost_answer_may_be_asked_for_again(supabase: AsyncClient):
    first = (await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})).session
    assert first
    refreshed = [(await supabase.auth.refresh_session(first.refresh_token)).session for _ in range(2)]
    assert refreshed[0]
    assert refreshed[1]
    assert refreshed[0].refresh_token == refreshed[1].refresh_token


async def test_a_stolen_refresh_token_ends_the_session_for_both(stack: Stack, supabase: AsyncClient):
    first = (await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})).session
    second = (await supabase.auth.refresh_session()).session
    third = (await supabase.auth.refresh_session()).session
    assert first
    assert second
    assert third
    later = "update auth.refresh_tokens set updated_at = updated_at - interval '11 seconds'"
    await execute(stack.dsn, later)
    for token, code in ((first, "refresh_token_already_used"), (third, "refresh_token_already_used")):
        with pytest.raises(AuthApiError) as caught:
            await supabase.auth.refresh_session(token.refresh_token)
        assert (caught.value.status, caught.value.code) == (400, code)
        await execute(stack.dsn, later)


async def test_a_token_refreshed_many_times_at_once_gives_one_successor(stack: Stack, http: httpx.AsyncClient):
    headers = {"apikey": stack.anon_key}
    signed_up = await http.post(
        f"{stack.url}/auth/v1/signup", headers=headers, json={"email": EMAIL, "password": PASSWORD}
    )
    body = {"refresh_token": signed_up.json()["refresh_token"]}
    url = f"{stack.url}/auth/v1/token?grant_type=refresh_token"
    answers = await asyncio.gather(*(http.post(url, headers=headers, json=body) for _ in range(8)))
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_an_unknown_refresh_token(supabase: AsyncClient):
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.refresh_session("never issued")
    assert caught.value.code == "refresh_token_not_found"


async def test_signing_out_ends_the_session(supabase: AsyncClient):
    session = (await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})).session
    assert session
    await supabase.auth.sign_out()
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.get_user(session.access_token)
    assert caught.value.code == "session_not_found"
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.refresh_session(session.refresh_token)
    assert caught.value.code == "refresh_token_not_found"


async def test_signing_out_elsewhere_keeps_this_session(supabase: AsyncClient):
    other = (await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})).session
    here = (await supabase.auth.sign_in_with_password({"email": EMAIL, "password": PASSWORD})).session
    assert other
    assert here
    await supabase.auth.admin.sign_out(here.access_token, "others")
    assert await supabase.auth.get_user(here.access_token)
    with pytest.raises(AuthApiError):
        await supabase.auth.get_user(other.access_token)


async def test_users_change_themselves(supabase: AsyncClient):
    await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD, "options": {"data": {"a": 1, "b": 2}}})
    changed = await supabase.auth.update_user(
        {"email": "lovelace@example.com", "password": "new password", "data": {"b": None, "c": 3}}
    )
    assert changed.user.email == "lovelace@example.com"
    metadata = changed.user.user_metadata
    assert (metadata["a"], metadata["c"], "b" in metadata) == (1, 3, False)
    again = await supabase.auth.sign_in_with_password({"email": "lovelace@example.com", "password": "new password"})
    assert again.user


async def test_an_administrator_makes_finds_changes_and_removes_users(admin: AsyncClient):
    made = await admin.auth.admin.create_user(
        {"email": EMAIL, "password": PASSWORD, "email_confirm": True, "app_metadata": {"operator": True}}
    )
    assert made.user.app_metadata == {"provider": "email", "providers": ["email"], "operator": True}
    assert [user.id for user in await admin.auth.admin.list_users()] == [made.user.id]
    assert await admin.auth.admin.list_users(page=2, per_page=1) == []
    changed = await admin.auth.admin.update_user_by_id(made.user.id, {"app_metadata": {"operator": None}})
    assert "operator" not in changed.user.app_metadata
    assert (await admin.auth.admin.get_user_by_id(made.user.id)).user.email == EMAIL
    await admin.auth.admin.delete_user(made.user.id)
    with pytest.raises(AuthApiError) as caught:
        await admin.auth.admin.get_user_by_id(made.user.id)
    assert (caught.value.status, caught.value.code) == (404, "user_not_found")


async def test_only_the_service_key_administers(stack: Stack, supabase: AsyncClient):
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.admin.list_users()
    assert (caught.value.status, caught.value.code) == (403, "not_admin")
    await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    with pytest.raises(AuthApiError) as caught:
        await supabase.auth.admin.list_users()
    assert caught.value.code == "not_admin"


async def test_what_the_gateway_does_not_have_is_refused(admin: AsyncClient):
    with pytest.raises(AuthApiError, match="ban_duration"):
        await admin.auth.admin.create_user({"email": EMAIL, "ban_duration": "1h"})


async def test_triggers_on_users_take_part_in_signing_up(stack: Stack, supabase: AsyncClient):
    await execute(
        stack.dsn,
        """
        create function refuse() returns trigger language plpgsql security definer set search_path = ''
          as $$ begin raise exception 'no more users'; end $$;
        create trigger refuse before insert on auth.users for each row execute function refuse();
        """,
    )
    with pytest.raises(AuthApiError, match="no more users") as caught:
        await supabase.auth.sign_up({"email": EMAIL, "password": PASSWORD})
    assert (caught.value.status, caught.value.code) == (500, "unexpected_failure")


async def test_an_expired_or_foreign_token_is_no_user(stack: Stack, supabase: AsyncClient):
    user = await stack.user()
    foreign = Keys.generate().sign({"sub": user.id, "exp": time.time() + 60})
    for token in (stack.token(user.id, lifetime_s=-60), foreign, "x"):
        with pytest.raises(AuthApiError) as caught:
            await supabase.auth.get_user(token)
        assert (caught.value.status, caught.value.code) == (403, "bad_jwt")
    answer = await supabase.auth.get_user(user.token.replace(".", ".", 1))
    assert answer is None or answer.user.id == user.id


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path):
    file = tmp_path / "supabase-keys.json"
    keys = Keys.kept_in(file)
    assert Keys.kept_in(file) == keys
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    assert keys.verify(keys.anon_key)["role"] == "anon"
    assert keys.verify(keys.service_role_key)["iss"] == "supabase"


def test_a_shared_secret_is_accepted_when_there_is_one():
    secret = "a-secret-that-is-long-enough-for-hs256"
    token = jwt.encode({"role": "anon"}, secret, algorithm="HS256")
    assert Keys.generate(hs256_secret=secret).verify(token) == {"role": "anon"}
    with pytest.raises(jwt.InvalidAlgorithmError):
        Keys.generate().verify(token)


def test_a_public_key_is_no_shared_secret():
    keys = Keys.generate(hs256_secret="a-secret-that-is-long-enough-for-hs256")
    public = keys.jwks["keys"][0]["x"]
    with pytest.raises(jwt.InvalidSignatureError):
        keys.verify(jwt.encode({"role": "service_role"}, public.ljust(32), algorithm="HS256"))
