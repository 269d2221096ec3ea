"""A session's own tests: what a user who knows more than the specification says wants every candidate to pass."""

from typing import Annotated

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.console.session_page import Version
from endpoints.guard import App, Editor, Reader
from endpoints.sessions import SessionId
from functions.failures import StaleVersion
from functions.own_tests import LONGEST, read_own_tests
from functions.sessions import Session, SessionChanges

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}/tests", include_in_schema=False)

Text = Annotated[str, Form(max_length=2 * LONGEST)]
"""Longer than may be stored: what is too long is shown again, and what is wrong with it said."""


@router.get("")
async def editor(request: Request, app: App, caller: Reader, session_id: SessionId) -> Response:
    """The tests as text."""
    session = await app.sessions.get(caller, session_id)
    return _editor(request, session, session.tests or "")


@router.post("/check")
async def check(request: Request, caller: Reader, session_id: SessionId, text: Text = "") -> Response:
    """What is wrong with a text, as it is typed."""
    del caller, session_id
    return part(request, "_tests_fault.html", fault=_fault(text))


@router.post("")
async def save(
    request: Request, app: App, caller: Editor, session_id: SessionId, version: Version, text: Text = ""
) -> Response:
    """Store the text as a new version; an empty one takes the tests away."""
    text = text.replace("\r\n", "\n").strip()
    if fault := _fault(text):
        session = await app.sessions.get(caller, session_id)
        return _editor(request, session, text, fault=fault, version=version, status=422)
    changes = SessionChanges(tests=f"{text}\n" if text else None)
    description = "tests edited" if text else "tests taken away"
    try:
        await app.sessions.save(caller, session_id, expected_version=version, changes=changes, description=description)
    except StaleVersion:
        session = await app.sessions.get(caller, session_id)
        return _editor(request, session, text, is_stale=True, status=412)
    return go_to(request, f"/sessions/{session_id}")


def _fault(text: str) -> str:
    if not text.strip():
        return ""
    try:
        read_own_tests(text)
    except ValueError as error:
        return str(error)
    return ""


def _editor(
    request: Request,
    session: Session,
    text: str,
    *,
    fault: str = "",
    version: int | None = None,
    is_stale: bool = False,
    status: int = 200,
) -> Response:
    shown = {"text": text, "fault": fault, "version": version or session.version, "is_stale": is_stale}
    return page(request, "tests.html", status, session=session, **shown)
