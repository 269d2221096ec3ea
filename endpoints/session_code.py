"""From a session's specification to its code, and the way back to work that a client has lost sight of."""

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from starlette.requests import Request
from starlette.responses import Response

from endpoints.guard import App, Generator, GuardedRoute, Reader
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.order_answer import answer_order, follow
from endpoints.preconditions import ExpectedVersion, etag
from endpoints.server_sent_events import Event, EventStream
from endpoints.services import Services
from endpoints.session_work import working
from endpoints.sessions import SessionId
from endpoints.work import Emit, Work
from functions.callers import Caller
from functions.failures import Conflict, StaleVersion
from functions.ir import IntermediateRepresentation
from functions.session_feed import POLL_S
from functions.session_pipeline import Order, language_of, own_tests_of
from functions.sessions import Session

router = APIRouter(route_class=CostlyRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])
watching = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])

_STREAMED = 'id: 1\nevent: session\ndata: {"session":{...}}\n\nid: 40\nevent: done\ndata: {...}\n\n'


class WriteCode(BaseModel):
    """How hard to try."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{}, {"candidates": 4, "repairs": 2}]})

    constraints: dict[str, Any] | None = Field(default=None, description="In the place of the session's own set.")
    assume: StrictBool = Field(default=False, description="Take the first suggestion for each open hole.")
    candidates: int = Field(default=1, ge=1, le=8, description="Written in one batch; the best is kept.")
    repairs: int = Field(default=1, ge=0, le=3, description="Rounds that are told what failed, or shown the guesses.")

    def order(self, session: Session) -> Order:
        """For a session that has no specification yet: from its words.

        Raises `Forbidden` for who may only read it, `Conflict` when it is closed, or with the holes in the way.
        """
        session.require_writable()
        ir = IntermediateRepresentation.model_validate(session.current_ir) if session.current_ir else None
        if ir is not None and ir.open_holes and not self.assume:
            holes = [hole.id for hole in ir.open_holes]
            raise Conflict(
                "there are open questions without whose answers it is not known what to write", {"holes": holes}
            )
        return Order(
            prompt=session.prompt,
            ir=ir,
            language=language_of(session),
            constraints=self.constraints or session.metadata.get("constraints"),
            assume=self.assume,
            candidates=self.candidates,
            repairs=self.repairs,
            tests=own_tests_of(session),
        )


@router.post(
    "/code",
    response_model=Session,
    summary="A session's specification to code",
    responses={
        200: {"content": event_stream(_STREAMED)},
        **problem_responses(400, 402, 404, 409, 412, 413, 415, 428, 429, 504),
    },
)
async def write_code(
    request: Request, body: WriteCode, app: App, caller: Generator, session_id: SessionId, version: ExpectedVersion
) -> Response:
    """Candidates are written, each is checked, the best is kept as a new version with the evidence for it.

    409 with `holes` while some are open that matter, and while other work on the session is under way here. With
    `Accept: text/event-stream`: `session`, progress, `code`, then `done` or `error`; a client that loses the connection
    goes on by `GET /api/sessions/{id}/work` with its `Last-Event-ID`.
    """
    session = await app.sessions.get(caller, session_id)
    if session.version != version:
        raise StaleVersion(session.version)
    do = working(app, request, caller, body.order(session), session)
    return await answer_order(app, request, caller, do, session_id=session_id, headers_of=_headers)


@watching.get(
    "/work",
    summary="The work under way on a session, from where it was lost",
    responses={
        200: {"content": event_stream(_STREAMED), "description": "Ends with the work"},
        **problem_responses(404),
    },
)
async def watch_work(
    request: Request,
    app: App,
    caller: Reader,
    session_id: SessionId,
    last_event_id: Annotated[str | None, Header(pattern="^[0-9]{1,9}$")] = None,
) -> Response:
    """Server-sent events: those of the order that came after `Last-Event-ID`, and what comes, then `done` or `error`.

    Where this server knows of no work of the caller's on it, `done` has the session as soon as it is not pending, or as
    it is when a generation's longest time has passed.
    """
    app.watchers.require(caller)
    session = await app.sessions.get(caller, session_id)
    order = app.running_orders.of(session_id)

    async def do(emit: Emit[Event]) -> None:
        with app.watchers.place(caller):
            if order is not None and order.user_id == caller.user_id:
                await follow(order, int(last_event_id or 0), emit)
            else:
                await _until_settled(app, caller, session, emit)

    return EventStream(Work(do, request), headers=dict(_headers(session.model_dump(mode="json"))))


async def _until_settled(app: Services, caller: Caller, session: Session, emit: Emit[Event]) -> None:
    deadline = time.monotonic() + app.settings.generation.timeout_s
    while session.generation_status == "pending" and session.status == "active" and time.monotonic() < deadline:
        await asyncio.sleep(POLL_S)
        session = await app.sessions.get(caller, session.id)
    await emit(Event("done", session.model_dump(mode="json")))


def _headers(data: Mapping[str, Any]) -> Mapping[str, str]:
    return {"etag": etag(data.get("session", data)["version"])}
