"""The gateway as one ASGI app, and the server that it runs in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import asyncpg
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from infra.local.gateway.accounts import Accounts
from infra.local.gateway.auth import Auth
from infra.local.gateway.connections import NO_CONNECTION, pool
from infra.local.gateway.failures import GatewayFailure, answer, auth_failure
from infra.local.gateway.keys import Keys
from infra.local.gateway.rest import Rest
from infra.local.gateway.sign_ins import SignIns

HOST = "127.0.0.1"
REST_CONNECTIONS = 20
AUTH_CONNECTIONS = 4
PING_TIMEOUT_S = 2.0
IDLE_CONNECTION_S = 75
"""Longer than clients keep them (`functions.database_session`): what closes first must not be the other side."""

# As Supabase's own gateway: browsers may call from anywhere, what they send decides.
CORS = Middleware(
    CORSMiddleware,
    allow_origins=["*"],
    allow_methods=["GET", "POST", "PUT", "DELETE"],
    allow_headers=["*"],
    expose_headers=["Content-Range", "X-Total-Count"],
    max_age=3600,
)


class GatewayError(Exception):
    """The gateway cannot start; the message says why, and what to do."""


class Gateway:
    """Stands for a Supabase project's API: `/rest/v1/rpc/*` and `/auth/v1/*` over one database.

    `rest_dsn` logs in as `authenticator`, `auth_dsn` as `supabase_auth_admin`. `port` 0 takes a free one. The database
    may come later, go away and come back: requests are answered with 503 meanwhile.
    """

    def __init__(self, *, rest_dsn: str, auth_dsn: str, keys: Keys, port: int = 0) -> None:
        self._rest_dsn = rest_dsn
        self._auth_dsn = auth_dsn
        self.keys = keys
        try:
            self._socket = _listener(port)
        except OSError as error:
            raise GatewayError(
                f"port {port} cannot be used by the Supabase gateway ({error.strerror}): "
                "end the program that listens there, or choose another port"
            ) from None
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://{HOST}:{self.port}"

    @contextlib.asynccontextmanager
    async def app(self) -> AsyncIterator[Starlette]:
        """The ASGI app, as long as its connections are open."""
        async with (
            pool(self._rest_dsn, REST_CONNECTIONS) as rest_pool,
            pool(self._auth_dsn, AUTH_CONNECTIONS) as auth_pool,
        ):
            accounts = Accounts(auth_pool)
            sign_ins = SignIns(auth_pool, accounts, self.keys, f"{self.url}/auth/v1")

            async def health(request: Request) -> JSONResponse:
                del request
                await rest_pool.fetchval("select 1", timeout=PING_TIMEOUT_S)
                return JSONResponse({"status": "ok"})

            yield Starlette(
                routes=[
                    Route("/rest/v1/rpc/{function}", Rest(rest_pool, self.keys).call, methods=["POST"]),
                    Mount("/auth/v1", routes=Auth(accounts, sign_ins, self.keys).routes()),
                    Route("/health", health),
                ],
                middleware=[CORS],
                exception_handlers={
                    GatewayFailure: answer,
                    # What the endpoints do not catch themselves: /auth/v1 and /health without a database.
                    **dict.fromkeys(NO_CONNECTION, _unavailable),
                    asyncpg.PostgresError: _database_error,
                    ClientDisconnect: _nobody,
                },
            )

    async def serve(self) -> None:
        """Serve until SIGINT or SIGTERM: for a process of its own."""
        async with self.app() as app:
            await uvicorn.Server(_configuration(app)).serve(sockets=[self._socket])

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Gateway"]:
        """Serve from this event loop, beside whatever else it does."""
        async with self.app() as app:
            server = _EmbeddedServer(_configuration(app))
            task = asyncio.create_task(server.serve(sockets=[self._socket]))
            try:
                yield self  # connections wait in the socket's backlog until it is served
            finally:
                server.leave.set()
                await task


class _EmbeddedServer(uvicorn.Server):
    """Ends when it is told to: signals belong to the process that it runs in."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.leave = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self.leave.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        del sockets  # closed with their servers
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        # uvicorn's own takes at least 100 ms, which a test suite pays for each of its tests.
        while self.server_state.connections or self.server_state.tasks:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(0.002)


def _listener(port: int) -> socket.socket:
    # With its protocol named, which `socket.create_server` leaves out: asyncio turns Nagle's algorithm off for that
    # alone, and each request of a kept connection would wait 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


def _configuration(app: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        http="httptools",
        ws="none",
        timeout_keep_alive=IDLE_CONNECTION_S,
    )


async def _unavailable(request: Request, error: Exception) -> JSONResponse:
    return await answer(request, auth_failure(503, "unexpected_failure", f"Database unavailable: {error}"))


async def _nobody(request: Request, error: Exception) -> Response:
    """The client went away in the middle of its request: there is nobody to answer, and nothing to log."""
    del request, error
    return Response(status_code=400)


async def _database_error(request: Request, error: Exception) -> JSONResponse:
    return await answer(request, auth_failure(500, "unexpected_failure", f"Database error: {error}"))
