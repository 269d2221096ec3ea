"""Sessions as a resource: list, read, change, delete. Creating one is work of its own (`session_creation`)."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from endpoints.guard import App, Editor, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from endpoints.own_tests import TESTS, Tests
from endpoints.preconditions import ExpectedVersion, etag
from functions.failures import NotFound
from functions.ir import IntermediateRepresentation
from functions.pages import Page
from functions.sessions import Session, SessionChanges

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions", tags=["sessions"])

Status = Literal["active", "finalized", "abandoned"]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]
Limit = Annotated[int, Query(ge=1, le=100, description="At most this many items.")]
Cursor = Annotated[str | None, Query(max_length=512, description="The `next_cursor` of the page before.")]


async def _session_id(session_id: Annotated[str, Path(description="The session's id (a UUID).")]) -> str:
    try:
        return str(uuid.UUID(session_id))
    except ValueError:
        raise NotFound("session") from None  # what cannot exist is not told apart from what does not


SessionId = Annotated[str, Depends(_session_id)]


class SessionReplacement(BaseModel):
    """The whole of what a user may set; what is left out becomes empty."""

    model_config = ConfigDict(extra="forbid")

    prompt: Prompt
    current_ir: IntermediateRepresentation | None = None
    generated_code: str | None = None
    metadata: dict[str, Any] = {}
    tests: Tests | None = Field(default=None, description=TESTS)
    description: str = Field(default="", max_length=500, description="What the history says of this version.")


class SessionPatch(BaseModel):
    """Only the members that are given change; null empties `current_ir`, `generated_code` or `tests`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": "add two integers", "description": "clearer words"},
                {"tests": "def test_adds():\n    assert add(1, 2) == 3\n"},
            ]
        },
    )

    # What these two are when they are left out does not count; they cannot be null.
    prompt: Prompt = Field(default_factory=str)
    current_ir: IntermediateRepresentation | None = None
    generated_code: str | None = None
    metadata: dict[str, Any] = Field(default_factory=dict)
    tests: Tests | None = Field(default=None, description=TESTS)
    description: str = Field(default="", max_length=500, description="What the history says of this version.")


def session_response(session: Session, status_code: int = 200) -> Response:
    """The session with its version as ETag."""
    headers = {"etag": etag(session.version)}
    return Response(session.model_dump_json(), status_code, headers, media_type="application/json")


@router.get("", response_model=Page[Session], summary="Own sessions, newest first", responses=problem_responses(429))
async def list_sessions(
    app: App,
    caller: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
    status: Status | None = None,
    q: Annotated[str | None, Query(min_length=1, max_length=500, description="Words, as in a search engine.")] = None,
    shared: Annotated[bool, Query(description="Also those that others share with the caller.")] = False,  # noqa: FBT002 - a query parameter
) -> Response:
    """One page; `next_cursor` is null on the last."""
    page = await app.sessions.list(caller, limit=limit, cursor=cursor, status=status, q=q, shared=shared)
    return Response(page.model_dump_json(), media_type="application/json")


@router.get("/{session_id}", response_model=Session, responses=problem_responses(404))
async def read_session(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """One session. With `If-None-Match` and the current ETag: 304 and no body."""
    session = await app.sessions.get(caller, session_id)
    if request.headers.get("if-none-match") == etag(session.version):
        return Response(status_code=304, headers={"etag": etag(session.version)})
    return session_response(session)


@router.put("/{session_id}", response_model=Session, responses=problem_responses(404, 409, 412, 428))
async def replace_session(
    app: App, caller: Editor, session_id: SessionId, version: ExpectedVersion, body: SessionReplacement
) -> Response:
    """Replace everything that a user may set. A new version; the one before stays in the history."""
    return await _save(app, caller, session_id, version, body, set(SessionReplacement.model_fields))


@router.patch("/{session_id}", response_model=Session, responses=problem_responses(404, 409, 412, 428))
async def change_session(
    app: App, caller: Editor, session_id: SessionId, version: ExpectedVersion, body: SessionPatch
) -> Response:
    """Change the members that are given. A new version; the one before stays in the history."""
    return await _save(app, caller, session_id, version, body, body.model_fields_set)


@router.delete("/{session_id}", status_code=204, responses=problem_responses(404, 412, 428))
async def delete_session(app: App, caller: Editor, session_id: SessionId, version: ExpectedVersion) -> Response:
    """Delete the session with its history and comments, for good. Work on it is stopped."""
    await app.sessions.delete(caller, session_id, expected_version=version)
    await app.running_orders.stop_of(session_id)  # not before: who may delete it is the database's to say
    return Response(status_code=204)


async def _save(
    app: App,
    caller: Editor,
    session_id: str,
    version: int,
    body: SessionReplacement | SessionPatch,
    members: set[str],
) -> Response:
    values = {name: value for name, value in body.model_dump(mode="json").items() if name in members}
    description = values.pop("description", "") or "edited"
    session = await app.sessions.save(
        caller, session_id, expected_version=version, changes=SessionChanges(**values), description=description
    )
    return session_response(session)
