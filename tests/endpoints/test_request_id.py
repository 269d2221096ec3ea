import pytest

from endpoints.request_id import RequestIdMiddleware
from endpoints.response_headers import ResponseHeadersMiddleware
from tests.endpoints.asgi import client_of, hello


async def test_a_sane_id_of_the_client_is_kept():
    async with client_of(RequestIdMiddleware(ResponseHeadersMiddleware(hello, {}))) as client:
        response = await client.get("/", headers={"x-request-id": "req_0.1:A~b-9"})
    assert response.headers["x-request-id"] == "req_0.1:A~b-9"


@pytest.mark.parametrize("offered", ["", "a b", "x" * 129, "<script>", "ä".encode().decode("latin-1")])
async def test_any_other_is_replaced(offered: str):
    async with client_of(RequestIdMiddleware(ResponseHeadersMiddleware(hello, {}))) as client:
        response = await client.get("/", headers={"x-request-id": offered.encode("latin-1")})
        another = await client.get("/")
    made = response.headers["x-request-id"]
    assert made != offered
    assert len(made) == 32
    assert made != another.headers["x-request-id"]
