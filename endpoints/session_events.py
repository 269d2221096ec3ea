"""GET /api/sessions/{id}/events: what happens to one session, as it happens."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header
from starlette.requests import Request
from starlette.responses import Response

from endpoints.guard import App, GuardedRoute, Reader
from endpoints.openapi import event_stream, problem_responses
from endpoints.server_sent_events import Event, EventStream
from endpoints.sessions import SessionId
from endpoints.work import Emit, Work

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])

_EXAMPLE = 'event: open\ndata: {"version":1}\n\nid: 42\nevent: session.changed\ndata: {"version":2}\n\n'


@router.get(
    "/events",
    responses={
        200: {"content": event_stream(_EXAMPLE), "description": "A stream without end"},
        **problem_responses(404),
    },
)
async def watch_session(
    request: Request,
    app: App,
    caller: Reader,
    session_id: SessionId,
    last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,18}$")] = None,
) -> Response:
    """Server-sent events: `open` with the current version, then one per change; `Last-Event-ID` resumes after it.

    Credentials are judged again at every step: who may no longer read the session gets an `error` and the end.
    """
    app.watchers.require(caller)

    async def do(emit: Emit[Event]) -> None:
        with app.watchers.place(caller):
            now = await app.session_feed.position(caller, session_id)
            await emit(Event("open", {"version": now.version}))
            after = int(last_event_id) if last_event_id else now.last_event_id
            still_watching = partial(app.authenticator.caller, request.headers)
            async for event in app.session_feed.follow(still_watching, session_id, after=after):
                await emit(Event(event.type, event.data, id=str(event.id)))

    work = Work(do, request)
    await work.begin()
    return EventStream(work)
