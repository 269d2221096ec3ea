"""A session's page as it changes: what is being written here, and what anybody stores, from any server."""

import asyncio
import contextlib
import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import render
from endpoints.console.route import ConsoleRoute
from endpoints.console.specification_view import view_of_unfinished
from endpoints.guard import App, Reader
from endpoints.health import engine_health
from endpoints.running_orders import RunningOrder
from endpoints.server_sent_events import Event, EventStream
from endpoints.services import Services
from endpoints.sessions import SessionId
from endpoints.work import Emit, Work
from functions.callers import Caller
from functions.failures import Unauthenticated
from functions.session_feed import POLL_S

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}", include_in_schema=False)

FRAME_S = 0.12
"""Parts of a page follow one another no faster: more cannot be read, and costs the browser."""


class Fragment(Event):
    """An event whose data is a part of a page, as htmx puts it in: lines of text instead of JSON."""

    def encoded(self) -> bytes:
        """The event as it goes over the wire."""
        lines = str(self.data).splitlines() or [""]
        return "\n".join([f"event: {self.event}", *(f"data: {line}" for line in lines), "\n"]).encode()


@router.get("/live")
async def watch(
    request: Request,
    app: App,
    caller: Reader,
    session_id: SessionId,
    version: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> Response:
    """Events: `progress`, `specification`, `code` hold parts of the page; `changed` says that it is to be read again.

    Whether the visitor may still read the session is asked of the database all the time, whoever gave the order.
    `version` is the one that the page shows; 0 from a page that shows work under way, which may end before this begins.
    """
    app.watchers.require(caller)

    async def do(emit: Emit[Event]) -> None:
        with app.watchers.place(caller):
            shown = version
            await app.session_feed.position(caller, session_id)
            await emit(Fragment("open", ""))
            # When the token has run out it ends; the browser comes again, with a new one.
            with contextlib.suppress(Unauthenticated):
                while True:
                    if order := app.running_orders.of(session_id):
                        await _follow(request, app, caller, order, emit)
                        shown = 0  # whatever came of it, the page is not up to date
                    now = await app.session_feed.position(caller, session_id)
                    if now.version != shown:
                        shown = now.version
                        await emit(Fragment("changed", str(shown)))
                    await asyncio.sleep(POLL_S)

    work = Work(do, request)
    await work.begin()
    return EventStream(work)


async def _follow(request: Request, app: Services, caller: Caller, order: RunningOrder, emit: Emit[Event]) -> None:
    """Tell of an order until it has ended, in parts that have changed; `changed` with each version it stores.

    Raises `NotFound` when the caller may read its session no more.
    """
    number, version, specification, code = -1, order.version, "", ""
    cold_asked = float("-inf")
    may_read_asked = time.monotonic()
    engine = None
    while True:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_S):
                await order.after(number)
        if order.has_ended:
            return
        if time.monotonic() - may_read_asked > POLL_S:
            await app.session_feed.position(caller, order.session_id)
            may_read_asked = time.monotonic()
        number = order.number
        nothing_written = not order.specification and not order.code
        if nothing_written and time.monotonic() - cold_asked > POLL_S:
            engine, cold_asked = await engine_health(app.engine, app.settings.engine.model), time.monotonic()
        values = {"order": order, "engine": engine if nothing_written else None}
        await emit(Fragment("progress", render(request, "_progress.html", **values)))
        if order.version != version:
            version = order.version
            await emit(Fragment("changed", str(version)))
        if order.specification != specification and order.stage == "specification":
            specification = order.specification
            view = view_of_unfinished(specification)
            await emit(Fragment("specification", render(request, "_specification.html", specification=view)))
        if (written := order.code.get(0, "")) != code:
            code = written
            await emit(Fragment("code", render(request, "_writing.html", code=code)))
        await asyncio.sleep(FRAME_S)
