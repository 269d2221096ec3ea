"""Every version of a session that was ever stored: list, read, compare, go back to."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from endpoints.guard import App, Editor, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from endpoints.preconditions import ExpectedVersion
from endpoints.sessions import Cursor, Limit, SessionId, session_response
from functions.differences import Difference, differences
from functions.pages import Page
from functions.sessions import Session, SessionVersion, VersionSummary

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])

Version = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Rollback(BaseModel):
    """Which version to go back to."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=1, le=2**31 - 1)


class VersionDiff(BaseModel):
    """What changed between two versions: in the specification by place, in the code and the tests as a whole."""

    from_version: int
    to_version: int
    ir: list[Difference]
    code_changed: bool
    tests_changed: bool


@router.get("/history", response_model=Page[VersionSummary], responses=problem_responses(404))
async def list_versions(
    app: App, caller: Reader, session_id: SessionId, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """The versions, newest first, without their content."""
    page = await app.sessions.history(caller, session_id, limit=limit, cursor=cursor)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/history/{version}", responses=problem_responses(404))
async def read_version(app: App, caller: Reader, session_id: SessionId, version: Version) -> SessionVersion:
    """One version as it was."""
    return await app.sessions.version(caller, session_id, version)


@router.get("/diff", responses=problem_responses(404))
async def compare_versions(
    app: App,
    caller: Reader,
    session_id: SessionId,
    from_version: Annotated[int, Query(alias="from", ge=1, le=2**31 - 1)],
    to_version: Annotated[int, Query(alias="to", ge=1, le=2**31 - 1)],
) -> VersionDiff:
    """The structural difference of two versions' specifications."""
    old = await app.sessions.version(caller, session_id, from_version)
    new = await app.sessions.version(caller, session_id, to_version)
    return VersionDiff(
        from_version=from_version,
        to_version=to_version,
        ir=differences(old.ir_snapshot, new.ir_snapshot),
        code_changed=old.code_snapshot != new.code_snapshot,
        tests_changed=old.tests != new.tests,
    )


@router.post("/rollback", response_model=Session, responses=problem_responses(404, 409, 412, 428))
async def roll_back(
    app: App, caller: Editor, session_id: SessionId, expected: ExpectedVersion, body: Rollback
) -> Response:
    """Make an earlier version's content the newest version. Nothing is lost: going back can be undone the same way."""
    session = await app.sessions.rollback(caller, session_id, expected_version=expected, to_version=body.version)
    return session_response(session)
