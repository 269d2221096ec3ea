"""One session: what it says, what was written for it, and what can be done with it."""

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute, go_to, is_partial
from endpoints.console.specification_text import editable
from endpoints.console.specification_view import view_of, view_of_unfinished
from endpoints.guard import App, Editor, Generator, Reader
from endpoints.running_orders import WorkUnderWay
from endpoints.services import Services
from endpoints.session_code import WriteCode
from endpoints.session_work import working
from endpoints.sessions import SessionId
from functions.callers import Caller
from functions.clause_lines import lines_of_clauses
from functions.failures import StaleVersion
from functions.ir import BLOCKING
from functions.session_pipeline import language_of
from functions.sessions import Session, VersionSummary

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}", include_in_schema=False)

VERSIONS_SHOWN = 50
COMMENTS_SHOWN = 100

Version = Annotated[int, Form(ge=1, le=2**31 - 1)]
"""The version that the page showed when its button was pressed."""

Tone = Literal["info", "warn"]
"""How a notice looks."""


@router.get("")
async def session_page(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """The whole page."""
    session = await app.sessions.get(caller, session_id)
    return page(request, "session.html", **await content_of(app, caller, session))


@router.get("/content")
async def session_content(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """The part that changes with each version."""
    session = await app.sessions.get(caller, session_id)
    return part(request, "_session.html", **await content_of(app, caller, session))


@router.post("/code")
async def write_code(
    request: Request,
    app: App,
    caller: Generator,
    session_id: SessionId,
    assume: Annotated[bool, Form()] = False,  # noqa: FBT002 - a form's field
) -> Response:
    """Take the session as far as code: from its specification, or from its words where there is none yet."""
    session = await app.sessions.get(caller, session_id)
    ordered = WriteCode(assume=assume).order(session)
    do = working(app, request, caller, ordered, session, patience_s=app.settings.engine.startup_timeout_s)
    with contextlib.suppress(WorkUnderWay):  # the button was pressed twice: the page shows what the first began
        await app.running_orders.start(do, user_id=caller.user_id, session_id=session_id)
    return await show(request, app, caller, session_id)


@router.post("/stop")
async def stop(request: Request, app: App, caller: Editor, session_id: SessionId) -> Response:
    """Stop what is being written. What is stored stays."""
    session = await app.sessions.get(caller, session_id)
    session.require_editor()
    await app.running_orders.stop_of(session_id)
    return await show(request, app, caller, session_id)


@router.post("/finalize")
async def finalize(request: Request, app: App, caller: Editor, session_id: SessionId, version: Version) -> Response:
    """Close the specification."""
    try:
        await app.sessions.finalize(caller, session_id, expected_version=version)
    except StaleVersion:
        return await show(request, app, caller, session_id, notice=STALE)
    return await show(request, app, caller, session_id)


@router.post("/abandon")
async def abandon(request: Request, app: App, caller: Editor, session_id: SessionId, version: Version) -> Response:
    """Give it up."""
    try:
        await app.sessions.abandon(caller, session_id, expected_version=version)
    except StaleVersion:
        return await show(request, app, caller, session_id, notice=STALE)
    return await show(request, app, caller, session_id)


@router.post("/delete")
async def delete(request: Request, app: App, caller: Editor, session_id: SessionId, version: Version) -> Response:
    """Delete it with its history, and go back to the list."""
    try:
        await app.sessions.delete(caller, session_id, expected_version=version)
    except StaleVersion:
        return await show(request, app, caller, session_id, notice=STALE)
    await app.running_orders.stop_of(session_id)  # not before: who may delete it is the database's to say
    return go_to(request, "/")


STALE = "This session has changed since you looked at it. Here is what it is now; repeat what you did if it still fits."


async def show(
    request: Request, app: Services, caller: Caller, session_id: str, *, notice: str = "", tone: Tone = "warn"
) -> Response:
    """The session as it is after a change: its changed part, or the page for a browser without scripts."""
    if not is_partial(request) and not notice:
        return go_to(request, f"/sessions/{session_id}")
    content = await content_of(app, caller, await app.sessions.get(caller, session_id))
    template = "_session.html" if is_partial(request) else "session.html"
    render = part if is_partial(request) else page
    # A notice is beside what changes with each version: the next one, which may come at once, leaves it where it is.
    return render(request, template, **content | {"notice": notice, "tone": tone, "is_answer": is_partial(request)})


async def content_of(app: Services, caller: Caller, session: Session) -> dict[str, Any]:
    """What the templates of a session need."""
    order = app.running_orders.of(session.id)
    history, comments, shares = await asyncio.gather(
        app.sessions.history(caller, session.id, limit=VERSIONS_SHOWN),
        app.comments.list(caller, session.id, limit=COMMENTS_SHOWN),
        app.sharing.shares(caller, session.id),
    )
    specification = view_of(session.current_ir, session.evidence) if session.current_ir else None
    if specification is None and order is not None:
        specification = view_of_unfinished(order.specification)
    kinds = {hole["id"]: hole["kind"] for hole in session.holes}
    return {
        "session": session,
        "specification": specification,
        "order": order,
        "blocking": [hole for hole in session.holes if kinds[hole["id"]] in BLOCKING],
        "versions": history.items,
        "is_behind": await _is_behind(app, caller, session, history.items),
        "comments": comments.items,
        "shares": shares,
        "constraints": (session.metadata.get("constraints") or {}).get("constraints", []),
        "may_edit": session.is_writable,
        "lines": lines_of_clauses(session.generated_code or "", session.current_ir) if session.current_ir else {},
        "language": language_of(session),
        "notice": "",
        "tone": "warn",
        "is_answer": False,
    }


async def _is_behind(app: Services, caller: Caller, session: Session, versions: Sequence[VersionSummary]) -> bool:
    """Whether the specification or its tests have changed since the code was written by them."""
    if not session.generated_code or session.current_ir is None:
        return False
    written = next((each.version for each in versions if each.change_description == "code"), session.version)
    if written == session.version:
        return False
    then = await app.sessions.version(caller, session.id, written)
    if then.ir_snapshot is None or then.tests != session.tests:
        return True
    return editable(then.ir_snapshot) != editable(session.current_ir)
