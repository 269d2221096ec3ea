"""Where a request's processor time goes: the event loop's thread time in each step, less that of the steps within it.

One thing at a time: a request, or the settling of the fifty before it, waits for the one that is under way. So no time
is counted twice, and the steps add up to the whole.
"""

import asyncio
import functools
import json
import signal
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from fastapi.dependencies import utils as dependencies
from starlette.responses import JSONResponse
from starlette.routing import Router
from starlette.types import ASGIApp, Receive, Scope, Send

from bench.web_tier.applications import Place, ours
from endpoints import guard
from endpoints.access_log import AccessLogMiddleware
from endpoints.json_request import JsonRequest
from endpoints.openai import chat_completions
from endpoints.settlements import Settlements
from functions.ledger import Ledger

FILE = "phases.json"
HTTP = "HTTP"
"""What is done in no step: uvicorn and the event loop around the application."""
AWAITED = (
    (guard, "_known_caller", "auth"),
    (JsonRequest, "json", "validate"),
    (dependencies, "request_body_to_args", "validate"),
    (chat_completions, "serve", "the route itself"),
    (Ledger, "admit", "admit"),
)
TELL, SCHEDULE = "_tell", "_schedule"


class Clock:
    """Of what runs in one thread, one step within another."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self.one_at_a_time = asyncio.Lock()
        self._steps: list[str] = []
        self._since = time.thread_time()

    def restart(self) -> None:
        """Count from now."""
        self.spent.clear()
        self._since = time.thread_time()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """What is done in the block is `name`'s, but for the steps within it."""
        self._charge()
        self._steps.append(name)
        try:
            yield
        finally:
            self._charge()
            self._steps.pop()

    def awaited(self, inner: Callable[..., Awaitable[Any]], name: str) -> Any:
        @functools.wraps(inner)
        async def timed(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return await inner(*arguments, **named)

        return timed

    def called(self, inner: Callable[..., Any], name: str) -> Any:
        @functools.wraps(inner)
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.step(name):
                return inner(*arguments, **named)

        return timed

    def _charge(self) -> None:
        now = time.thread_time()
        self.spent[self._steps[-1] if self._steps else HTTP] += now - self._since
        self._since = now


@asynccontextmanager
async def ours_in_phases(place: Place) -> AsyncIterator[ASGIApp]:
    """Ours, with a clock around its steps; SIGUSR1 sets it back, and what they took is in a file at the end."""
    clock = Clock()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, clock.restart)
    for owner, attribute, name in AWAITED:
        setattr(owner, attribute, clock.awaited(getattr(owner, attribute), name))
    JSONResponse.render = clock.called(JSONResponse.render, "serialise")
    Router.app = _sending(clock, Router.app, "routing, dependencies", "middlewares")
    _log_as_a_step(clock)
    _settle_by_the_fifty(clock)
    async with ours(place) as app:
        yield _one_at_a_time(clock, app)
    (Path(place.directory) / FILE).write_text(json.dumps(clock.spent))


def _one_at_a_time(clock: Clock, app: ASGIApp) -> ASGIApp:
    timed = _sending(clock, lambda _, *arguments: app(*arguments), "middlewares", HTTP)

    async def one(scope: Scope, receive: Receive, send: Send) -> None:
        async with clock.one_at_a_time if scope["type"] == "http" else nullcontext():
            await timed(None, scope, receive, send)

    return one


def _sending(clock: Clock, app: Any, name: str, sending: str) -> Any:
    """A method that is an application: its time is `name`'s, that of what it sends is `sending`'s."""

    async def timed(self: Any, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # the application's life is no step
            await app(self, scope, receive, send)
            return
        with clock.step(name):
            await app(self, scope, receive, clock.awaited(send, sending))

    return timed


def _log_as_a_step(clock: Clock) -> None:
    begin = AccessLogMiddleware.__init__

    def begin_timed(self: AccessLogMiddleware, app: ASGIApp) -> None:
        begin(self, app)
        self.log = SimpleNamespace(info=clock.called(self.log.info, "log"))

    AccessLogMiddleware.__init__ = begin_timed


def _settle_by_the_fifty(clock: Clock) -> None:
    """As under load, where so many come together within the time that they wait for each other."""
    tell = clock.awaited(getattr(Settlements, TELL), "settle")

    async def alone(self: Settlements, together: Any) -> None:
        async with clock.one_at_a_time:
            await tell(self, together)

    setattr(Settlements, TELL, alone)
    setattr(Settlements, SCHEDULE, lambda *_: None)
