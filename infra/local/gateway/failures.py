"""What the gateway answers when it cannot do what was asked, in the words of the service that it stands for."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse


class GatewayFailure(Exception):  # noqa: N818 - the functions below name what happened
    """Ends a request with this answer."""

    def __init__(self, status: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        super().__init__(body)
        self.status = status
        self.body = body
        self.headers = headers


def rest_failure(
    status: int,
    code: str,
    message: str,
    *,
    details: Any = None,
    hint: Any = None,
    headers: Mapping[str, str] | None = None,
) -> GatewayFailure:
    """As PostgREST says it: https://docs.postgrest.org/en/v13/references/errors.html."""
    body = {"code": code, "message": message, "details": details, "hint": hint}
    return GatewayFailure(status, body, {"Proxy-Status": f"PostgREST; error={code}", **(headers or {})})


def auth_failure(status: int, error_code: str, message: str, **more: Any) -> GatewayFailure:
    """As Supabase's auth service says it: https://supabase.com/docs/guides/auth/debugging/error-codes."""
    return GatewayFailure(status, {"code": status, "error_code": error_code, "msg": message, **more})


async def answer(request: Request, failure: Exception) -> JSONResponse:
    """Starlette's handler of `GatewayFailure`."""
    del request
    if not isinstance(failure, GatewayFailure):
        raise failure
    return JSONResponse(failure.body, failure.status, failure.headers)
