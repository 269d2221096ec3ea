"""What is refused before a route is reached, as a browser is told it: over HTTP, without a browser."""

from dataclasses import replace

import pytest

from endpoints.app import create_app
from tests.endpoints.asgi import client_of
from tests.endpoints.conftest import Web

BROWSER = {"accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [("GET", "/nothing", 404, "There is nothing at this path"), ("PUT", "/new", 405, "this path takes GET")],
)
async def test_a_browser_gets_a_page_and_a_program_the_document(
    web: Web, method: str, path: str, status: int, said: str
):
    async with web.client() as client:
        page = await client.request(method, path, headers=BROWSER)
        document = await client.request(method, path)
        api = await client.request(method, f"/api{path}", headers=BROWSER)
    assert (page.status_code, document.status_code, api.status_code) == (status, status, 404)
    assert page.headers["content-type"].startswith("text/html")
    assert said.lower() in page.text.lower()
    assert page.headers["x-request-id"] in page.text
    assert page.headers.get("allow") == document.headers.get("allow")
    assert "style-src 'self'" in page.headers["content-security-policy"]
    assert [other.headers["content-type"] for other in (document, api)] == ["application/problem+json"] * 2


async def test_a_full_server_tells_a_page_when_to_come_again_and_a_script_by_a_notice(web: Web):
    none = web.services.settings.web.model_copy(update={"max_concurrent_requests": 0})
    settings = web.services.settings.model_copy(update={"web": none})
    async with client_of(create_app(replace(web.services, settings=settings))) as client:
        page = await client.get("/", headers=BROWSER)
        notice = await client.post("/new", headers={"hx-request": "true"})
    assert (page.status_code, notice.status_code) == (503, 503)
    assert page.headers["retry-after"] == notice.headers["retry-after"] == "1"
    assert "The server is at its limit" in page.text
    assert "Try again in 1 s" in page.text
    assert notice.headers["hx-retarget"] == "#notices"
    assert notice.text.lstrip().startswith('<div class="notice bad"')
