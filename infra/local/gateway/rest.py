"""`POST /rest/v1/rpc/{function}`: one SQL function, in one transaction, as the role of the caller's token.

Stands for PostgREST 13 as Supabase runs it. Of PostgREST it has function calls by named arguments, and no more: no
tables, no filters on results, no GET.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from starlette.requests import Request
from starlette.responses import Response

from infra.local.gateway.catalog import EXTRA_SEARCH_PATH, SCHEMA, Catalog, Function
from infra.local.gateway.connections import LOST, Connection, Pool, abandon, give_back
from infra.local.gateway.database_failures import connection_failed, connection_lost, from_postgres, pool_exhausted
from infra.local.gateway.failures import rest_failure
from infra.local.gateway.keys import Keys
from infra.local.gateway.tokens import bearer_claims

ACQUIRE_TIMEOUT_S = 10.0
ANONYMOUS = "anon"
SINGLE_OBJECT = "application/vnd.pgrst.object+json"
SEARCH_PATH = f'"{SCHEMA}", "{EXTRA_SEARCH_PATH}"'
SET_CONFIG = "select set_config(name, value, true) from unnest($1::text[], $2::text[]) as setting (name, value)"
UNDEFINED_FUNCTION = "42883"


class Rest:
    """`pool` is of connections as `authenticator`, which may become `anon`, `authenticated` and `service_role`."""

    def __init__(self, pool: Pool, keys: Keys) -> None:
        self._pool = pool
        self._keys = keys
        self._catalog = Catalog()

    async def call(self, request: Request) -> Response:
        """The endpoint."""
        claims = bearer_claims(request, self._keys)
        _refuse_what_is_missing(request)
        body = await request.body() or b"{}"
        names = _argument_names(body)
        role = str(claims.get("role", ANONYMOUS))
        async with self._connection(anonymous=role == ANONYMOUS) as connection:
            function = await self._catalog.find(connection, request.path_params["function"], names)
            async with connection.transaction(readonly=function.is_read_only):
                await connection.execute(SET_CONFIG, *self._settings(request, claims, role, function))
                arguments = [body.decode()] if names else []
                row = await connection.fetchrow(function.statement(names), *arguments)
        return _response(request, function, row["body"] if row else "null", row["rows"] if row else 0)

    def _settings(
        self, request: Request, claims: dict[str, Any], role: str, function: Function
    ) -> tuple[list[str], list[str]]:
        settings = {
            "search_path": SEARCH_PATH,
            "role": role,
            "request.jwt.claims": json.dumps(claims),
            "request.method": request.method,
            "request.path": f"/rpc/{function.name}",
            "request.headers": json.dumps(dict(request.headers)),
            **dict(self._catalog.role_settings.get(role, ())),
        }
        if function.statement_timeout:
            settings["statement_timeout"] = function.statement_timeout
        return list(settings), list(settings.values())

    @asynccontextmanager
    async def _connection(self, *, anonymous: bool) -> AsyncIterator[Connection]:
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_TIMEOUT_S)
        except TimeoutError:
            raise pool_exhausted() from None
        except (*LOST, asyncpg.PostgresError) as error:
            raise connection_failed(error) from None
        try:
            yield connection
        except LOST as error:
            abandon(connection)
            raise connection_lost(error) from None
        except asyncpg.PostgresError as error:
            if error.sqlstate == UNDEFINED_FUNCTION:
                self._catalog.forget()
            raise from_postgres(error, anonymous=anonymous) from None
        finally:
            await give_back(self._pool, connection)


def _refuse_what_is_missing(request: Request) -> None:
    filters = [name for name in request.query_params if name not in {"apikey", "select"}]
    if filters or request.query_params.get("select", "*") != "*":
        message = "the local gateway calls functions as they are: it takes no filters, no order and no columns"
        raise rest_failure(400, "PGRST127", "Feature not implemented", details=message)
    profile = request.headers.get("content-profile", SCHEMA)
    if profile != SCHEMA:
        hint = f"Only the following schemas are exposed: {SCHEMA}"
        raise rest_failure(406, "PGRST106", f"Invalid schema: {profile}", hint=hint)


def _argument_names(body: bytes) -> frozenset[str]:
    try:
        arguments = json.loads(body)
    except ValueError:  # bad UTF-8 is one too
        arguments = None
    if not isinstance(arguments, dict):
        raise rest_failure(400, "PGRST102", "Empty or invalid json")
    return frozenset(arguments)


def _response(request: Request, function: Function, body: str | None, rows: int) -> Response:
    if function.returns == "void":
        return Response(status_code=204)
    media_type = "application/json"
    if function.is_set and SINGLE_OBJECT in request.headers.get("accept", ""):
        if rows != 1:
            message = "Cannot coerce the result to a single JSON object"
            raise rest_failure(406, "PGRST116", message, details=f"The result contains {rows} rows")
        body, media_type = str(body)[1:-1], SINGLE_OBJECT
    last = f"0-{rows - 1}" if rows else "*"
    return Response(body, headers={"Content-Range": f"{last}/*", "Content-Type": f"{media_type}; charset=utf-8"})
