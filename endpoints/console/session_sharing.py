"""A session with others: comments on its clauses, and who may see it."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.route import ConsoleRoute
from endpoints.console.session_page import show
from endpoints.guard import Administrator, App, Editor
from endpoints.sessions import SessionId

router = APIRouter(route_class=ConsoleRoute, prefix="/sessions/{session_id}", include_in_schema=False)


@router.post("/comments")
async def comment(
    request: Request,
    app: App,
    caller: Editor,
    session_id: SessionId,
    body: Annotated[str, Form(max_length=10_000)] = "",
    pointer: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Say something about a clause."""
    if not body.strip():
        return await show(request, app, caller, session_id, notice="A comment needs at least a word.")
    await app.comments.add(caller, session_id, pointer=pointer, body=body.strip())
    return await show(request, app, caller, session_id)


@router.post("/comments/{comment_id}/settle")
async def settle(
    request: Request,
    app: App,
    caller: Editor,
    session_id: SessionId,
    comment_id: str,
    resolved: Annotated[bool, Form()] = True,  # noqa: FBT002 - a form's field
) -> Response:
    """Mark a comment as settled, or as open again."""
    await app.comments.resolve(caller, session_id, comment_id, resolved=resolved)
    return await show(request, app, caller, session_id)


@router.post("/comments/{comment_id}/delete")
async def delete_comment(
    request: Request, app: App, caller: Editor, session_id: SessionId, comment_id: str
) -> Response:
    """By its author, or by the session's owner."""
    await app.comments.delete(caller, session_id, comment_id)
    return await show(request, app, caller, session_id)


@router.post("/shares")
async def share(
    request: Request,
    app: App,
    caller: Administrator,
    session_id: SessionId,
    email: Annotated[str, Form(max_length=320)] = "",
    role: Annotated[Literal["viewer", "editor"], Form()] = "viewer",
) -> Response:
    """Share with the user of an address, or change what that user may do."""
    await app.sharing.share(caller, session_id, role=role, email=email.strip())
    return await show(request, app, caller, session_id)


@router.post("/shares/{user_id}/delete")
async def revoke(request: Request, app: App, caller: Administrator, session_id: SessionId, user_id: str) -> Response:
    """Take the session back from a user."""
    await app.sharing.revoke(caller, session_id, user_id)
    return await show(request, app, caller, session_id)
