"""Versions of a session: what changed from one to another, and going back."""

import difflib
from typing import Annotated, Any

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute
from endpoints.console.session_page import STALE, Version, show
from endpoints.console.specification_text import editable
from endpoints.guard import App, Editor, Reader
from endpoints.sessions import SessionId
from functions.differences import differences
from functions.failures import StaleVersion
from functions.sessions import SessionVersion

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}", include_in_schema=False)

ShownVersion = Annotated[int, Query(ge=1, le=2**31 - 1)]


@router.get("/compare")
async def compare(
    request: Request, app: App, caller: Reader, session_id: SessionId, old: ShownVersion, new: ShownVersion
) -> Response:
    """What changed from one version to another, in the specification by place, in code and tests by line."""
    session = await app.sessions.get(caller, session_id)
    before = await app.sessions.version(caller, session_id, old)
    after = await app.sessions.version(caller, session_id, new)
    changes = differences(_specification(before), _specification(after))
    lines: dict[str, Any] = {
        "code_lines": _changed_lines(before.code_snapshot, after.code_snapshot),
        "test_lines": _changed_lines(before.tests, after.tests),
    }
    return page(request, "compare.html", session=session, before=before, after=after, changes=changes, **lines)


@router.post("/rollback")
async def roll_back(
    request: Request, app: App, caller: Editor, session_id: SessionId, version: Version, to: Version
) -> Response:
    """Make an earlier version the newest one."""
    try:
        await app.sessions.rollback(caller, session_id, expected_version=version, to_version=to)
    except StaleVersion:
        return await show(request, app, caller, session_id, notice=STALE)
    return await show(request, app, caller, session_id)


def _specification(version: SessionVersion) -> Any:
    return editable(version.ir_snapshot) if version.ir_snapshot is not None else None


def _changed_lines(before: str | None, after: str | None) -> list[tuple[str, str]]:
    """Each line with its sign: "+", "-" or " "; nothing where the code is the same."""
    old, new = (before or "").splitlines(), (after or "").splitlines()
    if old == new:
        return []
    lines = difflib.unified_diff(old, new, n=10_000, lineterm="")
    return [(line[0], line[1:]) for line in list(lines)[3:]]
