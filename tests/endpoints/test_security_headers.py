from starlette.responses import PlainTextResponse

from endpoints.response_headers import ResponseHeadersMiddleware
from endpoints.security_headers import PAGE_POLICY, SECURITY_HEADERS
from tests.endpoints.asgi import client_of, hello


async def test_every_response_has_them():
    async with client_of(ResponseHeadersMiddleware(hello, SECURITY_HEADERS)) as client:
        response = await client.get("/")
    assert SECURITY_HEADERS.items() <= dict(response.headers).items()


async def test_what_a_response_sets_itself_is_kept():
    page = PlainTextResponse("x", headers={"content-security-policy": PAGE_POLICY, "cache-control": "public"})
    async with client_of(ResponseHeadersMiddleware(page, SECURITY_HEADERS)) as client:
        response = await client.get("/")
    assert response.headers.get_list("content-security-policy") == [PAGE_POLICY]
    assert response.headers["cache-control"] == "public"
    assert response.headers["x-content-type-options"] == "nosniff"


def test_no_policy_allows_inline_code():
    assert "unsafe" not in PAGE_POLICY + SECURITY_HEADERS["content-security-policy"]
