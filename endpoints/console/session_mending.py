"""What makes a specification better: answers to its open questions, and what the rules find missing in it."""

from typing import Annotated, Any

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import part
from endpoints.console.route import ConsoleRoute
from endpoints.console.session_page import STALE, Version, show
from endpoints.guard import App, Editor, Reader
from endpoints.hole_resolution import HoleId, settle
from endpoints.session_assists import AssistId
from endpoints.sessions import SessionId
from functions.assists import applied, assists, of_id
from functions.failures import NotFound, StaleVersion
from functions.ir import LEFT_TO_CODE
from functions.ir_edits import Stored
from functions.resolution import open_hole
from functions.sessions import SessionChanges

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}", include_in_schema=False)

SHOWN_AT_ONCE = 4
_NAMES = {"intent": "what it is for", "signature": "its signature", "effects": "what it touches"}
_ONE = {"examples": "an example", "assertions": "what always holds"}
GONE = "That has been dealt with already: the specification has changed meanwhile."


@router.post("/holes/{hole_id}")
async def answer_hole(
    request: Request,
    app: App,
    caller: Editor,
    session_id: SessionId,
    hole_id: HoleId,
    version: Version,
    answer: Annotated[str, Form(max_length=4000)] = "",
    leave: Annotated[bool, Form()] = False,  # noqa: FBT002 - a form's field
) -> Response:
    """Close a question, and have what the answer touches written again.

    An answer is to that question alone: another change meanwhile does not make it wrong, `version` may be an old one.
    """
    del version
    answer = LEFT_TO_CODE if leave else answer.strip()
    if not answer:
        return await show(request, app, caller, session_id, notice="An answer needs at least a word.")
    session = await app.sessions.get(caller, session_id)
    try:
        hole = open_hole(session.current_ir, hole_id)
    except NotFound:
        return await show(request, app, caller, session_id, notice=GONE)
    settled, reason = await settle(app, request, caller, session, hole, answer)
    try:
        await app.sessions.resolve_hole(
            caller, session_id, hole_id, expected_version=session.version, answer=answer, current_ir=settled.ir
        )
    except StaleVersion as stale:  # while the model was writing: the answer itself is kept
        reason = "somebody else has changed the specification meanwhile"
        await app.sessions.resolve_hole(caller, session_id, hole_id, expected_version=stale.current, answer=answer)
    if reason is not None:
        notice = f"Your answer is kept, and the code is written by it. The specification stays as it was: {reason}."
        return await show(request, app, caller, session_id, notice=notice)
    changed = _named(settled.rewritten)
    notice = f"Your answer is worked in: it changed {changed}." if changed else ""
    return await show(request, app, caller, session_id, notice=notice, tone="info")


@router.get("/assists")
async def list_assists(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """What the rules find missing, contradictory or untested in the newest version, each with a button."""
    session = await app.sessions.get(caller, session_id)
    found = await assists(session.current_ir, app.sandbox)
    values: dict[str, Any] = {"first": found[:SHOWN_AT_ONCE], "rest": found[SHOWN_AT_ONCE:]}
    return part(request, "_assists.html", session=session, may_edit=session.is_writable, **values)


@router.post("/assists/{assist_id}")
async def apply_assist(
    request: Request, app: App, caller: Editor, session_id: SessionId, assist_id: AssistId, version: Version
) -> Response:
    """Do what is suggested; what only a person can know becomes a question at the top of the page."""
    session = await app.sessions.get(caller, session_id)
    stored: Stored = session.current_ir or {}
    try:
        assist = of_id(await assists(session.current_ir, app.sandbox), assist_id)
        changes = SessionChanges(current_ir=applied(stored, assist))
        await app.sessions.save(
            caller, session_id, expected_version=version, changes=changes, description=f"assist: {assist.text}"
        )
    except NotFound:
        return await show(request, app, caller, session_id, notice=GONE)
    except StaleVersion:
        return await show(request, app, caller, session_id, notice=STALE)
    return await show(request, app, caller, session_id)


def _named(pointers: tuple[str, ...]) -> str:
    """Places of a specification in words, each once."""
    words = []
    for pointer in pointers:
        member, *inner = pointer.strip("/").split("/")
        words.append(_ONE[member] if member in _ONE and inner else _NAMES.get(member, member))
    return ", ".join(dict.fromkeys(words))
