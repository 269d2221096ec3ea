import pytest
import structlog
from starlette.types import Receive, Scope, Send

from endpoints.request_id import RequestIdMiddleware
from endpoints.response_headers import ResponseHeadersMiddleware
from endpoints.unexpected_errors import UnexpectedErrorsMiddleware
from tests.endpoints.asgi import client_of


async def test_a_defect_is_a_problem_without_its_details_and_a_traceback_in_the_log():
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("the secret is 42")

    app = RequestIdMiddleware(ResponseHeadersMiddleware(UnexpectedErrorsMiddleware(broken), {}))
    with structlog.testing.capture_logs() as logs:
        async with client_of(app) as client:
            response = await client.get("/x", headers={"x-request-id": "abc"})

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-request-id"] == response.json()["request_id"] == "abc"
    assert "42" not in response.text
    assert logs[0]["log_level"] == "error"
    assert logs[0]["exc_info"]


async def test_after_the_response_has_begun_the_error_goes_on_to_the_server():
    async def breaks_off(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ZeroDivisionError

    async with client_of(UnexpectedErrorsMiddleware(breaks_off)) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/")
