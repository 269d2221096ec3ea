from fastapi import APIRouter, FastAPI

from endpoints.guard import GuardedRoute, Reader, unguarded_routes
from tests.endpoints.conftest import Web


def test_a_route_that_forgets_its_scope_or_its_class_is_found():
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    guarded, plain = APIRouter(route_class=GuardedRoute), APIRouter()

    @guarded.get("/api/good")
    async def good(caller: Reader) -> str:
        return caller.user_id

    @guarded.get("/api/no-scope")
    async def no_scope() -> None: ...

    @plain.get("/api/no-class")
    async def no_class(caller: Reader) -> str:
        return caller.user_id

    app.include_router(guarded)
    app.include_router(plain)
    app.mount("/mounted", FastAPI())
    assert unguarded_routes(app) == ["/api/no-scope", "/api/no-class", "/mounted"]


async def test_what_could_not_be_stored_is_refused_with_its_place(web: Web):
    _, client = await web.user_client()
    answer = await client.post("/api/generate", json={"prompt": "x", "choice": ["a", "b\0"]})
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/choice/1"]


async def test_a_stranger_may_read_what_is_public(web: Web):
    async with web.client() as stranger:
        for path in ("/", "/sign-in", "/health", "/docs", "/docs/problems", "/openapi.json", "/api/ir/schema"):
            assert (await stranger.get(path)).status_code == 200, path


async def test_a_body_of_another_type_is_not_read(web: Web):
    _, client = await web.user_client()
    answer = await client.post("/api/generate", content=b'{"prompt": "x"}', headers={"content-type": "text/plain"})
    assert answer.status_code == 415


async def test_a_body_that_is_no_json_is_told_so(web: Web):
    _, client = await web.user_client()
    answer = await client.post("/api/generate", content=b"{", headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "not valid JSON" in answer.json()["detail"]
