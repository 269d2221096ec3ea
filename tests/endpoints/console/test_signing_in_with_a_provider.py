"""The way to a provider and back. The local auth service has no provider, so it never has a code to give."""

import base64
import hashlib
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from endpoints.app import create_app
from functions.sign_ins import SignIns
from tests.endpoints.asgi import served
from tests.endpoints.console.conftest import Console


@pytest.fixture
async def client(console: Console) -> AsyncIterator[httpx.AsyncClient]:
    settings = console.services.settings
    web = settings.web.model_copy(update={"oauth_providers": ["github"]})
    services = replace(console.services, settings=settings.model_copy(update={"web": web}))
    async with (
        served(create_app(services)) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as client,
    ):
        yield client


async def test_without_providers_none_is_offered(console: Console):
    async with httpx.AsyncClient(base_url=console.url, trust_env=False) as client:
        assert "Sign in with" not in (await client.get("/sign-in")).text
        assert (await client.get("/sign-in/with/github")).status_code == 404


async def test_a_provider_is_gone_to_by_way_of_the_auth_service_with_a_challenge(client: httpx.AsyncClient):
    assert "Sign in with GitHub" in (await client.get("/sign-in")).text
    answer = await client.get("/sign-in/with/github?next=/account")
    assert answer.status_code == 303
    went = urlsplit(answer.headers["location"])
    query = {name: values[0] for name, values in parse_qs(went.query).items()}
    assert went.path == "/auth/v1/authorize"
    assert (query["provider"], query["code_challenge_method"]) == ("github", "s256")
    assert query["redirect_to"] == f"{client.base_url}/sign-in/callback"
    assert "httponly" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("code=made-up", "The provider&#39;s answer does not hold"),
        ("error=access_denied&error_description=You+said+no", "You said no"),
        ("", "The provider did not say who you are"),
    ],
)
async def test_what_the_auth_service_refuses_leads_back_to_the_form(client: httpx.AsyncClient, query: str, reason: str):
    await client.get("/sign-in/with/github")
    answer = await client.get(f"/sign-in/callback?{query}")
    assert answer.status_code == 401
    assert reason in answer.text
    assert "lift-access" not in client.cookies
    assert "lift-provider" not in client.cookies


async def test_a_code_is_of_no_use_in_a_browser_that_has_not_asked_for_it(client: httpx.AsyncClient):
    answer = await client.get("/sign-in/callback?code=somebody-elses")
    assert answer.status_code == 401
    assert "begun in another browser" in answer.text


async def test_a_code_is_exchanged_with_the_verifier_that_its_challenge_was_made_of():
    """As GoTrue documents `grant_type=pkce`; there is no service here that could be asked."""
    asked: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json={"access_token": "a", "refresh_token": "r", "expires_in": 3600})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        sign_ins = SignIns("https://project.test", "anon", http)
        challenge = parse_qs(urlsplit(sign_ins.address_of("github", "v" * 64, back_to="https://x.test")).query)
        digest = hashlib.sha256(("v" * 64).encode()).digest()
        assert challenge["code_challenge"] == [base64.urlsafe_b64encode(digest).decode().rstrip("=")]
        assert (await sign_ins.by_code("c", "v" * 64)).access_token == "a"
    assert asked[0].url.query == b"grant_type=pkce"
    assert asked[0].read() == b'{"auth_code":"c","code_verifier":"' + b"v" * 64 + b'"}'
