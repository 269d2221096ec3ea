"""From what Postgres says to what PostgREST answers (PostgREST 13, `Error.hs`: `mapSQLtoHTTP`)."""

import json

import asyncpg

from infra.local.gateway.failures import GatewayFailure, rest_failure

# SQLSTATE, or its class (the first two characters), to HTTP status. The longer match wins; what is not here is 400.
STATUS = {
    "08": 503, "09": 500, "0L": 403, "0P": 403, "21000": 500, "23503": 409, "23505": 409, "25006": 405, "25": 500,
    "28": 403, "2D": 500, "38": 500, "39": 500, "3B": 500, "40": 500, "53400": 500, "53": 503, "54": 500, "55": 500,
    "57P01": 503, "57": 500, "58": 500, "F0": 500, "HV": 500, "P0001": 400, "P0": 500, "XX": 500, "42883": 404,
    "42P01": 404, "42P17": 500,
}  # fmt: skip
INSUFFICIENT_PRIVILEGE = "42501"
INVALID_PARAMETER_VALUE = "22023"
CHALLENGE = {"WWW-Authenticate": "Bearer"}


def from_postgres(error: asyncpg.PostgresError, *, anonymous: bool) -> GatewayFailure:
    """An error that the database answered with."""
    code = error.sqlstate or "XX000"
    message = str(error.message)
    if code == "PGRST":
        return _raised_in_full(message, error.detail)
    status = STATUS.get(code, STATUS.get(code[:2], 400))
    if code == INSUFFICIENT_PRIVILEGE:
        status = 401 if anonymous else 403
    elif code == INVALID_PARAMETER_VALUE and message.startswith("role") and message.endswith("does not exist"):
        status = 401
    elif code.startswith("PT"):
        status = int(code[2:]) if code[2:].isdigit() else 500
    headers = CHALLENGE if status == 401 else None  # noqa: PLR2004 - a status code
    return rest_failure(status, code, message, details=error.detail, hint=error.hint, headers=headers)


def connection_failed(error: Exception) -> GatewayFailure:
    """There is no connection to be had."""
    message = "Database connection error. Retrying the connection."
    return rest_failure(503, "PGRST000", message, details=str(error))


def connection_lost(error: Exception) -> GatewayFailure:
    """The connection ended under a request: whether its transaction was committed is not known."""
    return rest_failure(503, "PGRST001", "Database client error. Retrying the connection.", details=str(error))


def pool_exhausted() -> GatewayFailure:
    """Every connection is in use, and stayed so."""
    return rest_failure(504, "PGRST003", "Timed out acquiring connection from connection pool.")


def _raised_in_full(message: str, detail: str | None) -> GatewayFailure:
    """`raise sqlstate 'PGRST'` with the whole answer as JSON in its message and detail."""
    try:
        body, response = json.loads(message), json.loads(detail or "")
        headers = {str(name): str(value) for name, value in response["headers"].items()}
        return rest_failure(
            int(response["status"]),
            body["code"],
            body["message"],
            details=body.get("details"),
            hint=body.get("hint"),
            headers=headers,
        )
    except (ValueError, TypeError, KeyError, AttributeError):
        return rest_failure(
            500, "PGRST121", "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error", details=detail
        )
