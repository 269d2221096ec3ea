"""The database, as its SQL functions: `POST /rest/v1/rpc/<function>`, by supabase's client, with the caller's token."""

import asyncio
import random
import time
from collections.abc import Mapping
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from typing import Any, cast

import httpx
from opentelemetry.trace import SpanKind
from postgrest import APIError, AsyncPostgrestClient, AsyncRPCFilterRequestBuilder
from postgrest.base_request_builder import RequestConfig
from yarl import URL

from functions.database_failures import CONNECTION_LOST, DATABASE, LOST_A_RACE, failure_from
from functions.database_session import Answer, Asking, DatabaseSession
from functions.failures import DatabaseUnavailable, Refused
from infra import telemetry
from infra import telemetry_names as names

# For a client that others share: what is set in the answer to one user is not sent with the next one's request.
NO_COOKIES = DefaultCookiePolicy(allowed_domains=[])

_JSON = "application/json"
_NO_PARAMETERS = httpx.QueryParams()


class Database:
    """One for the whole process: it holds the connections. Tokens are given with each call, and never kept.

    `url` is the Supabase project's, `anon_key` its public key. Make it inside the event loop that it is used in.
    """

    def __init__(self, url: str, anon_key: str, *, timeout_s: float = 5.0) -> None:
        self._anon_key = anon_key
        self._timeout_s = timeout_s
        self._session = DatabaseSession(_refuse_other_voices)
        client = AsyncPostgrestClient(
            f"{url.rstrip('/')}/rest/v1",
            headers={"apikey": anon_key},
            http_client=cast("httpx.AsyncClient", self._session),
        )
        self._session.headers = {**client.headers, "content-type": _JSON}  # what every call has
        self._functions = client.base_url.joinpath("rpc")
        self._paths: dict[str, URL] = {}

    async def call(
        self,
        function: str,
        arguments: Mapping[str, Any] | None = None,
        *,
        token: str | None = None,
        idempotent: bool = False,
    ) -> Any:
        """What `function` returns. Without a token it is called as a stranger (`anon`).

        A call that is `idempotent` (all reading ones are) is repeated once when its connection breaks; of others it is
        not known then whether they were done.
        Raises the failures that the function names, `Refused` for values the database cannot hold, `Unauthenticated`,
        `Forbidden`, and `DatabaseUnavailable` within `timeout_s`.
        """
        attributes = {names.DB_SYSTEM: names.POSTGRESQL, names.DB_OPERATION: function}
        with telemetry.span(function, attributes, kind=SpanKind.CLIENT):
            return await self._call(function, arguments or {}, token, idempotent=idempotent)

    async def ping(self) -> float:
        """Seconds that a round trip takes. Raises `DatabaseUnavailable`."""
        started = time.perf_counter()
        await self.call("ping", idempotent=True)
        return time.perf_counter() - started

    async def close(self) -> None:
        """Close the connections."""
        await self._session.aclose()

    async def _call(self, function: str, arguments: Mapping[str, Any], token: str | None, *, idempotent: bool) -> Any:
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._send(function, arguments, token)
                except (httpx.TransportError, APIError) as error:
                    if not _may_repeat(error, idempotent=idempotent):
                        raise
                await asyncio.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - spreads retries, protects nothing
                return await self._send(function, arguments, token)
        except APIError as error:
            raise failure_from(error, function, anonymous=token is None) from error
        except TimeoutError:
            raise DatabaseUnavailable(DATABASE, f"it did not answer within {self._timeout_s:g} s") from None
        except httpx.TransportError as error:
            raise DatabaseUnavailable(DATABASE, f"it cannot be reached ({type(error).__name__.strip('_')})") from error
        except ValueError as error:  # half of a surrogate pair, a number that is none
            raise Refused("", f"the values cannot be written as JSON: {error}") from None

    async def _send(self, function: str, arguments: Mapping[str, Any], token: str | None) -> Any:
        path = self._paths.get(function)
        if path is None:
            path = self._paths[function] = self._functions.joinpath(function)
        # What `AsyncPostgrestClient.rpc` makes, but for the headers: it would copy them all, one by one, each time.
        session = cast("httpx.AsyncClient", Asking(self._session, token or self._anon_key))
        request = RequestConfig(session, path, "POST", httpx.Headers(), _NO_PARAMETERS, None, dict(arguments))
        response = await AsyncRPCFilterRequestBuilder(request).execute()
        return response.data


class _Interposed(httpx.RemoteProtocolError):
    """Not PostgREST answered, but something in front of it: whether the call arrived is not known."""


def _refuse_other_voices(answer: Answer) -> None:
    """The client reports an error's `code` alone; a gateway's own errors have none, but for the status.

    What says that all is well, in another language than JSON, is somebody else's answer too.
    """
    if answer.is_success and answer.headers.get("content-type", _JSON).startswith(_JSON):
        return
    if (
        not answer.is_success
        and answer.status_code < HTTPStatus.INTERNAL_SERVER_ERROR
        and answer.status_code != HTTPStatus.TOO_MANY_REQUESTS
    ):
        return
    try:
        is_postgrest = "code" in answer.json()
    except (ValueError, TypeError):
        is_postgrest = False
    if not is_postgrest:
        raise _Interposed(f"HTTP {answer.status_code}")


def _may_repeat(error: httpx.TransportError | APIError, *, idempotent: bool) -> bool:
    if isinstance(error, APIError):
        return error.code in LOST_A_RACE or (idempotent and error.code in CONNECTION_LOST)
    return idempotent and not isinstance(error, httpx.ReadTimeout | httpx.PoolTimeout)
