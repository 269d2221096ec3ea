"""Tiny applications around the one piece under test, and clients that speak to them: in memory, or over a socket."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.problems import answer_failure, answer_http_exception, answer_invalid
from functions.failures import Failure


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """The smallest application there is."""
    assert scope["type"] == "http"
    while (message := await receive()).get("more_body"):
        assert message["type"] == "http.request"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


def with_problems(app: FastAPI) -> FastAPI:
    """The exception handlers that `create_app` registers."""
    app.add_exception_handler(Failure, answer_failure)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.add_exception_handler(HTTPException, answer_http_exception)
    return app


def client_of(app: ASGIApp, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=options.pop("raise_app_exceptions", True))
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", **options)


@asynccontextmanager
async def served(app: ASGIApp) -> AsyncIterator[str]:
    """`app` on a free port of this machine, by uvicorn, in this process: its base URL."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=5)
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext  # type: ignore[assignment] # the test run's handlers stay
        running = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await running


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen; the test's own time limit says when it did not."""
    while not condition():  # noqa: ASYNC110 - of many kinds of conditions, few have an event
        await asyncio.sleep(0.005)
