"""A session with others: shares with viewers and editors, comments on clauses of its specification."""

from typing import Annotated, Literal, Self

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.responses import Response

from endpoints.guard import Administrator, App, Editor, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from endpoints.sessions import Cursor, Limit, SessionId
from functions.pages import Page
from functions.sharing import Comment, Share

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions/{session_id}", tags=["sessions"])

UserId = Annotated[str, Path(max_length=64, description="The other user's id.")]
CommentId = Annotated[str, Path(max_length=64)]


class NewShare(BaseModel):
    """With whom, by id or by address, and what they may do."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"email": "colleague@example.com", "role": "viewer"}]}
    )

    user_id: str | None = Field(default=None, max_length=64)
    email: str | None = Field(default=None, max_length=320)
    role: Literal["viewer", "editor"]

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.user_id is None) == (self.email is None):
            raise ValueError("give exactly one of user_id and email")
        return self


class ShareList(BaseModel):
    """Who the session is shared with."""

    items: list[Share]
    next_cursor: str | None = Field(default=None, description="Always null: a session's shares are one page.")


class NewComment(BaseModel):
    """Words about a clause of the current specification."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"pointer": "/signature/returns", "body": "Why not float?"}]}
    )

    pointer: str = Field(default="", max_length=1000, description='JSON pointer into the IR; "" for the whole.')
    body: str = Field(min_length=1, max_length=10_000)


class CommentChange(BaseModel):
    """Whether it is settled."""

    model_config = ConfigDict(extra="forbid")
    resolved: bool


@router.get("/shares", responses=problem_responses(404))
async def list_shares(app: App, caller: Reader, session_id: SessionId) -> ShareList:
    """All of them for the owner; for others, their own."""
    return ShareList(items=list(await app.sharing.shares(caller, session_id)))


@router.post("/shares", status_code=201, responses=problem_responses(404, 409))
async def share(app: App, caller: Administrator, session_id: SessionId, body: NewShare, response: Response) -> Share:
    """Share with a user, or change the user's role. It holds at once."""
    made = await app.sharing.share(caller, session_id, role=body.role, user_id=body.user_id, email=body.email)
    response.headers["location"] = f"/api/sessions/{session_id}/shares/{made.user_id}"
    return made


@router.delete("/shares/{user_id}", status_code=204, responses=problem_responses(404))
async def revoke_share(app: App, caller: Administrator, session_id: SessionId, user_id: UserId) -> Response:
    """Take the session back from a user, or leave it. It holds at once."""
    await app.sharing.revoke(caller, session_id, user_id)
    return Response(status_code=204)


@router.get("/comments", response_model=Page[Comment], responses=problem_responses(404))
async def list_comments(
    app: App, caller: Reader, session_id: SessionId, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Oldest first."""
    page = await app.comments.list(caller, session_id, limit=limit, cursor=cursor)
    return Response(page.model_dump_json(), media_type="application/json")


@router.post("/comments", status_code=201, responses=problem_responses(404))
async def add_comment(app: App, caller: Editor, session_id: SessionId, body: NewComment, response: Response) -> Comment:
    """Say something about a clause. Whoever sees the session may."""
    made = await app.comments.add(caller, session_id, pointer=body.pointer, body=body.body)
    response.headers["location"] = f"/api/sessions/{session_id}/comments/{made.id}"
    return made


@router.patch("/comments/{comment_id}", responses=problem_responses(404))
async def settle_comment(
    app: App, caller: Editor, session_id: SessionId, comment_id: CommentId, body: CommentChange
) -> Comment:
    """Mark it as settled, or as open again."""
    return await app.comments.resolve(caller, session_id, comment_id, resolved=body.resolved)


@router.delete("/comments/{comment_id}", status_code=204, responses=problem_responses(404))
async def delete_comment(app: App, caller: Editor, session_id: SessionId, comment_id: CommentId) -> Response:
    """By its author, or by the session's owner."""
    await app.comments.delete(caller, session_id, comment_id)
    return Response(status_code=204)
