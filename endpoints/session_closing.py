"""From open questions to a closed specification: holes, finalize, abandon."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from endpoints.guard import App, Editor, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from endpoints.preconditions import ExpectedVersion
from endpoints.sessions import SessionId, session_response
from functions.sessions import Session

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])


class Holes(BaseModel):
    """The open questions of the current specification, with the suggestions there are."""

    items: list[dict[str, Any]]
    next_cursor: str | None = Field(default=None, description="Always null: a specification's holes are one page.")


@router.get("/holes", responses=problem_responses(404))
async def list_holes(app: App, caller: Reader, session_id: SessionId) -> Holes:
    """What is still to be decided."""
    session = await app.sessions.get(caller, session_id)
    return Holes(items=session.holes)


@router.post("/finalize", response_model=Session, responses=problem_responses(404, 409, 412, 428))
async def finalize(app: App, caller: Editor, session_id: SessionId, version: ExpectedVersion) -> Response:
    """Close the specification. 409 with the ids in `holes` while some are open."""
    return session_response(await app.sessions.finalize(caller, session_id, expected_version=version))


@router.post("/abandon", response_model=Session, responses=problem_responses(404, 409, 412, 428))
async def abandon(app: App, caller: Editor, session_id: SessionId, version: ExpectedVersion) -> Response:
    """Give the session up. It stays readable."""
    return session_response(await app.sessions.abandon(caller, session_id, expected_version=version))
