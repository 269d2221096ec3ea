"""What a session's specification lacks, and the changes that mend it."""

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from endpoints.guard import App, Editor, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from endpoints.preconditions import ExpectedVersion
from endpoints.sessions import SessionId, session_response
from functions.assists import Assist, applied, assists, of_id
from functions.failures import NotFound, StaleVersion
from functions.sessions import Session, SessionChanges

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}/assists", tags=["sessions"])

AssistId = Annotated[str, Path(min_length=1, max_length=100)]


class Assists(BaseModel):
    """What could be better in the version that is named."""

    items: list[Assist]
    version: int
    next_cursor: str | None = Field(default=None, description="Always null: a specification's assists are one page.")


@router.get("", summary="What the specification lacks", responses=problem_responses(404))
async def list_assists(app: App, caller: Reader, session_id: SessionId) -> Assists:
    """Missing edge cases, contradictions, what nothing tests, types that allow anything. No model is asked."""
    session = await app.sessions.get(caller, session_id)
    return Assists(items=await assists(session.current_ir, app.sandbox), version=session.version)


@router.post(
    "/{assist_id}/apply",
    response_model=Session,
    summary="Do what an assist suggests",
    responses=problem_responses(404, 409, 412, 428),
)
async def apply_assist(
    app: App, caller: Editor, session_id: SessionId, assist_id: AssistId, version: ExpectedVersion
) -> Response:
    """The assist's action as one new version; what only the user can know is asked as a hole with suggestions."""
    session = await app.sessions.get(caller, session_id)
    if session.version != version:
        raise StaleVersion(session.version)
    if session.current_ir is None:
        raise NotFound("such assist for this version")
    assist = of_id(await assists(session.current_ir, app.sandbox), assist_id)
    changes = SessionChanges(current_ir=applied(session.current_ir, assist))
    saved = await app.sessions.save(
        caller, session_id, expected_version=version, changes=changes, description=f"assist: {assist.text}"
    )
    return session_response(saved)
