import socket
from typing import Any

import httpx
import jsonschema
import pytest
from fastapi.routing import APIRoute
from pydantic import HttpUrl
from starlette.routing import Mount

from endpoints.app import create_app
from endpoints.composition import assemble
from endpoints.console.route import ConsoleRoute
from endpoints.guard import PUBLIC_PATHS, unguarded_routes
from functions.cache import FileStore
from functions.ir import ir_schema
from functions.validation import ConstraintValidator
from infra.settings import Settings
from tests.endpoints.asgi import client_of, served
from tests.endpoints.conftest import ColdEngine, Web, secrets_of


def routes(web: Web) -> list[tuple[str, str]]:
    return [
        (method, route.path_format.format_map(_Ids()))
        for route in web.app.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    ]


class _Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return "00000000-0000-4000-8000-000000000000" if name != "version" else "1"


async def test_every_route_but_the_public_ones_asks_who_is_there(web: Web):
    public = {path.format_map(_Ids()) for path in PUBLIC_PATHS if not path.startswith("/assets")}
    pages = (route for route in web.app.routes if isinstance(route, ConsoleRoute))
    console = {route.path_format.format_map(_Ids()) for route in pages}
    async with web.client() as client:
        for method, path in routes(web):
            response = await client.request(method, path)
            expected_open = path in public
            if path in console and not expected_open:
                # A page sends to the one for signing in; a form is not even read without its page's token.
                to_sign_in = response.headers.get("location", "").startswith("/sign-in")
                assert to_sign_in or response.status_code == 403, (method, path)
                continue
            # The page that signs people in answers 401 itself to who cannot be, and asks for nothing in that header.
            is_asked = response.status_code == 401 and "www-authenticate" in response.headers
            assert is_asked is not expected_open, (method, path)
            if not expected_open and method != "HEAD":
                document = response.json()
                if path.startswith("/v1/"):
                    assert document["error"]["code"] == "invalid_api_key"
                else:
                    assert document["type"] == "/docs/problems#unauthenticated"
                assert response.headers["www-authenticate"].startswith("Bearer")
    assert unguarded_routes(web.app) == []
    assert {route.path for route in web.app.routes if isinstance(route, Mount)} <= PUBLIC_PATHS


async def test_a_stranger_is_refused_before_the_body_is_read(web: Web):
    async with web.client() as client:
        response = await client.post("/api/generate", content=b"{", headers={"content-type": "text/plain"})
    assert response.status_code == 401


@pytest.mark.parametrize("credential", ["nonsense", "lsk_unknown", "a.b.c"])
async def test_credentials_that_do_not_hold_are_refused(web: Web, credential: str):
    async with web.client(credential) as client:
        assert (await client.get("/api/sessions")).status_code == 401


@pytest.mark.parametrize("claims", [{"role": "anon"}, {"aud": "other"}, {"iss": "http://other"}, {"exp": 1}])
async def test_tokens_of_another_kind_are_refused(web: Web, claims: dict[str, Any]):
    user = await web.stack.user()
    async with web.client(web.stack.token(user.id, **claims)) as client:
        assert (await client.get("/api/sessions")).status_code == 401


async def test_the_projects_own_keys_are_no_users(web: Web):
    for key in (web.stack.anon_key, web.stack.service_role_key):
        async with web.client(key) as client:
            assert (await client.get("/api/sessions")).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "options", "status"),
    [
        ("GET", "/nothing", {}, 404),
        ("GET", "/api/sessions/", {}, 404),
        ("DELETE", "/health", {}, 405),
        ("POST", "/api/generate", {"content": b"x" * 1_048_577}, 413),
        ("POST", "/api/generate", {"content": b"prompt=x"}, 415),
        ("POST", "/api/generate", {"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ("POST", "/api/generate", {"json": {"prompt": "x", "colour": "red"}}, 422),
    ],
)
async def test_every_refusal_is_a_problem_with_what_every_response_has(
    web: Web, method: str, path: str, options: dict[str, Any], status: int
):
    _, client = await web.user_client()
    response = await client.request(method, path, **options)
    assert response.status_code == response.json()["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == response.json()["request_id"]
    assert response.headers["traceparent"].startswith("00-")
    assert response.headers["x-content-type-options"] == "nosniff"


async def test_browsers_of_the_configured_origins_may_ask_and_read_errors(web: Web):
    origin = web.services.settings.web.cors_origins[0]
    async with web.client() as client:
        preflight = await client.options(
            "/api/generate",
            headers={
                "origin": origin,
                "access-control-request-method": "POST",
                "access-control-request-headers": "authorization,content-type,idempotency-key",
            },
        )
        refused = await client.get("/api/sessions", headers={"origin": origin})
        elsewhere = await client.get("/api/sessions", headers={"origin": "https://elsewhere.test"})
    assert preflight.status_code == 200
    assert refused.headers["access-control-allow-origin"] == origin
    assert "x-request-id" in refused.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in elsewhere.headers


async def test_health_is_for_everyone_and_wakes_nothing(web: Web):
    async with web.client() as client:
        health = await client.get("/health")
    document = health.json()
    assert health.status_code == 200
    assert document["status"] == "ok"
    assert document["environment"] == "local"
    assert document["database"]["reachable"] is True
    assert document["engine"]["state"] == "cold"


async def test_without_its_database_the_server_says_so_and_does_nothing_that_costs(
    web: Web, settings: Settings, validator: ConstraintValidator, store: FileStore
):
    with socket.create_server(("127.0.0.1", 0)) as freed:
        nowhere = f"http://127.0.0.1:{freed.getsockname()[1]}"
    unreachable = secrets_of(web.stack).model_copy(update={"supabase_url": HttpUrl(nowhere)})
    user = await web.stack.user()
    token = web.stack.token(user.id, iss=f"{nowhere}/auth/v1")
    async with assemble(settings, unreachable, ColdEngine(), validator, embedder=web.embedder, store=store) as services:
        headers = {"authorization": f"Bearer {token}"}
        async with client_of(create_app(services), headers=headers) as client:
            health = await client.get("/health")
            refused = await client.post("/api/generate", json={"prompt": "x"})
    assert health.status_code == 200
    assert health.json()["status"] == "degraded"
    assert health.json()["database"]["reachable"] is False
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1


async def test_the_schema_of_specifications_is_published(web: Web):
    async with web.client() as client:
        schema = (await client.get("/api/ir/schema")).json()
    assert schema == ir_schema()
    jsonschema.Draft202012Validator.check_schema(schema)


async def test_the_description_covers_every_route_with_credentials_and_errors(web: Web):
    async with web.client() as client:
        description = (await client.get("/openapi.json")).json()
    assert set(description["components"]["securitySchemes"]) == {"bearer", "api_key"}
    assert "HTTPValidationError" not in description["components"]["schemas"]
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            if path in PUBLIC_PATHS:
                assert operation["security"] == []
                continue
            is_openai = path.startswith("/v1/")
            media_type = "application/json" if is_openai else "application/problem+json"
            for status in ("401", "403", "400" if is_openai else "422", "503"):
                assert media_type in operation["responses"][status]["content"], (method, path)
    documented = {(method, path) for path, operations in description["paths"].items() for method in operations}
    assert documented == {
        (method.lower(), route.path_format)
        for route in web.app.routes
        if isinstance(route, APIRoute) and route.include_in_schema
        for method in route.methods
    }


async def test_it_serves_over_a_socket(web: Web):
    async with served(create_app(web.services)) as url, httpx.AsyncClient(base_url=url) as client:
        assert (await client.get("/health")).json()["status"] == "ok"
