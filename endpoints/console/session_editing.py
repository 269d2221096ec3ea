"""Editing a specification as text. Two who edit at once are shown each other's changes; neither loses any."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.console.session_page import Version
from endpoints.console.specification_text import FaultyText, editable, owned, read, text_of
from endpoints.guard import App, Editor, Reader
from endpoints.services import Services
from endpoints.sessions import SessionId
from functions.callers import Caller
from functions.failures import Conflict, StaleVersion
from functions.ir import IntermediateRepresentation
from functions.merging import merge
from functions.sessions import Session, SessionChanges

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}/edit", include_in_schema=False)

Text = Annotated[str, Form(max_length=1_000_000)]


@router.get("")
async def editor(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """The specification as text."""
    session = await app.sessions.get(caller, session_id)
    return _editor(request, session, text_of(editable(specification_of(session))), faults=())


@router.post("/check")
async def check(request: Request, caller: Reader, session_id: SessionId, text: Text = "") -> Response:
    """What is wrong with a text, as it is typed."""
    del caller, session_id
    return part(request, "_faults.html", faults=_faults(text))


@router.post("")
async def save(
    request: Request, app: App, caller: Editor, session_id: SessionId, version: Version, text: Text = ""
) -> Response:
    """Store the text as a new version; where somebody was faster, both changes are put together to be looked at."""
    session = await app.sessions.get(caller, session_id)
    try:
        ir = read(text)
    except FaultyText as faulty:
        return _editor(request, session, text, faults=faulty.faults, version=version, status=422)
    return await store(request, app, caller, session_id, version, ir)


async def store(
    request: Request, app: Services, caller: Caller, session_id: str, version: int, ir: IntermediateRepresentation
) -> Response:
    """`ir`, which was made of `version`, as a new one; where there is a newer one already, both are put together."""
    before = (await app.sessions.version(caller, session_id, version)).ir_snapshot or {}
    changes = SessionChanges(current_ir=owned(ir, before).model_dump(mode="json"))
    try:
        await app.sessions.save(
            caller, session_id, expected_version=version, changes=changes, description="specification edited"
        )
    except StaleVersion:
        return await _merged(request, app, caller, session_id, before, editable(ir.model_dump(mode="json")))
    return go_to(request, f"/sessions/{session_id}")


def specification_of(session: Session) -> dict[str, Any]:
    """What is edited. Raises `Conflict` where there is nothing yet."""
    if session.current_ir is None:
        raise Conflict("there is no specification yet to edit", {})
    return session.current_ir


async def _merged(
    request: Request, app: App, caller: Caller, session_id: str, before: dict[str, Any], mine: dict[str, Any]
) -> Response:
    session = await app.sessions.get(caller, session_id)
    merged = merge(editable(before), mine, editable(specification_of(session)))
    text = text_of(merged.value)
    values = {"merged": merged, "theirs": session.version}
    return _editor(request, session, text, faults=_faults(text), status=412, **values)


def _editor(
    request: Request, session: Session, text: str, *, faults: Any, status: int = 200, **values: Any
) -> Response:
    shown = {"version": session.version, "merged": None, "theirs": None, **values}
    return page(request, "edit.html", status, session=session, text=text, faults=faults, **shown)


def _faults(text: str) -> Any:
    try:
        read(text)
    except FaultyText as faulty:
        return faulty.faults
    return ()
