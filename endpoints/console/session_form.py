"""Editing a specification field by field."""

from typing import Annotated, Any, get_args

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute
from endpoints.console.session_editing import specification_of, store
from endpoints.console.session_page import Version
from endpoints.console.specification_form import SINGLE, FaultyForm, Fields, fields_of, read_form, rows_of
from endpoints.console.specification_text import editable
from endpoints.guard import App, Editor, Reader
from endpoints.sessions import SessionId
from functions.ir import Effect
from functions.sessions import Session

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}/edit/form", include_in_schema=False)


async def _sent(request: Request) -> Fields:
    form = await request.form()
    sent = {name: [text for text in form.getlist(name) if isinstance(text, str)] for name in form}
    return sent | {name: sent.get(name) or [""] for name in SINGLE}


Sent = Annotated[Fields, Depends(_sent)]
"""The form as it was sent, and nothing where a field that there is once was not."""


@router.get("")
async def show_form(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """The fields as they are stored."""
    session = await app.sessions.get(caller, session_id)
    return _form(request, session, fields_of(specification_of(session)), version=session.version)


@router.post("/check")
async def check(request: Request, app: App, caller: Reader, session_id: SessionId, sent: Sent) -> Response:
    """What is wrong with the fields, as they are filled in."""
    session = await app.sessions.get(caller, session_id)
    return part(request, "_field_faults.html", faults=_faults(sent, editable(specification_of(session))))


@router.post("")
async def save(
    request: Request, app: App, caller: Editor, session_id: SessionId, version: Version, sent: Sent
) -> Response:
    """Store them as a new version; where somebody was faster, both changes are put together to be looked at."""
    session = await app.sessions.get(caller, session_id)
    before = (await app.sessions.version(caller, session_id, version)).ir_snapshot or specification_of(session)
    try:
        ir = read_form(sent, editable(before))
    except FaultyForm as faulty:
        return _form(request, session, sent, version=version, faults=faulty.faults, status=422)
    return await store(request, app, caller, session_id, version, ir)


def _form(
    request: Request, session: Session, fields: Fields, *, version: int, faults: Any = (), status: int = 200
) -> Response:
    rows = {group: rows_of(fields, group) for group in ("parameters", "assertions", "examples")}
    values = {"fields": fields, "rows": rows, "effects": get_args(Effect)}
    return page(request, "edit_form.html", status, session=session, version=version, faults=faults, **values)


def _faults(sent: Fields, before: dict[str, Any]) -> Any:
    try:
        read_form(sent, before)
    except FaultyForm as faulty:
        return faulty.faults
    return ()
