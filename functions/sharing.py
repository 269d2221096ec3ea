"""Sessions shared with other users, and what they say about them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.identities import identity
from functions.pages import Page, cursor_of, instant_of

Role = Literal["viewer", "editor"]


class Share(BaseModel):
    """One user's part in a session. `email` is the address that it was shared with, if it was by address."""

    model_config = ConfigDict(frozen=True)

    user_id: str
    email: str | None
    role: Role
    created_at: datetime


class Comment(BaseModel):
    """Words about a clause of the IR: `pointer` is a JSON pointer (RFC 6901), "" for all; `version` is the session's.

    The author is None when that user is gone.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    session_id: str
    author_id: str | None
    author_email: str | None
    pointer: str
    version: int
    body: str
    resolved_at: datetime | None
    resolved_by: str | None
    created_at: datetime


class Sharing:
    """Who else may see a session, decided by its owner. All raise `NotFound` for one that the caller may not see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def share(
        self, caller: Caller, session_id: str, *, role: Role, user_id: str | None = None, email: str | None = None
    ) -> Share:
        """Share with a user, or change the user's role; it holds at once.

        Raises `NotFound` when there is no such user, `Forbidden` to whom the session is only shared with, `Conflict`
        for the owner.
        """
        arguments = {
            "p_id": identity(session_id, "session"),
            "p_role": role,
            "p_user_id": identity(user_id, "user") if user_id else None,
            "p_email": email,
        }
        return Share.model_validate(await self._database.call("share_session", arguments, token=caller.token))

    async def shares(self, caller: Caller, session_id: str) -> Sequence[Share]:
        """All of them for the owner; for a member, the member's own."""
        arguments = {"p_id": identity(session_id, "session")}
        rows = await self._database.call("list_shares", arguments, token=caller.token, idempotent=True)
        return [Share.model_validate(row) for row in rows]

    async def revoke(self, caller: Caller, session_id: str, user_id: str) -> None:
        """By the owner, or by the member, who leaves; it holds at once. Raises `NotFound`."""
        arguments = {"p_id": identity(session_id, "session"), "p_user_id": identity(user_id, "share")}
        await self._database.call("revoke_share", arguments, token=caller.token)


class Comments:
    """For all who see the session. Raises `NotFound` for what the caller may not see."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, caller: Caller, session_id: str, *, pointer: str, body: str) -> Comment:
        """Say something about a clause of the current version. Raises `Refused` for what is no pointer or too long."""
        arguments = {"p_id": identity(session_id, "session"), "p_pointer": pointer, "p_body": body}
        return Comment.model_validate(await self._database.call("add_comment", arguments, token=caller.token))

    async def list(
        self, caller: Caller, session_id: str, *, limit: int = 100, cursor: str | None = None
    ) -> Page[Comment]:
        """Oldest first. Raises `Refused` for a cursor of something else."""
        after = instant_of(cursor)
        arguments = {
            "p_id": identity(session_id, "session"),
            "p_limit": limit,
            "p_after_created_at": after and after.created_at.isoformat(),
            "p_after_id": after and str(after.id),
        }
        page = await self._database.call("list_comments", arguments, token=caller.token, idempotent=True)
        items = [Comment.model_validate(item) for item in page["items"]]
        return Page(items=items, next_cursor=cursor_of(page["next"]))

    async def resolve(self, caller: Caller, session_id: str, comment_id: str, *, resolved: bool = True) -> Comment:
        """By its author, the session's owner and its editors; others get `Forbidden`."""
        arguments = {**_named(session_id, comment_id), "p_resolved": resolved}
        return Comment.model_validate(await self._database.call("resolve_comment", arguments, token=caller.token))

    async def delete(self, caller: Caller, session_id: str, comment_id: str) -> None:
        """By its author and the session's owner; others get `Forbidden`."""
        await self._database.call("delete_comment", _named(session_id, comment_id), token=caller.token)


def _named(session_id: str, comment_id: str) -> dict[str, Any]:
    return {"p_id": identity(session_id, "session"), "p_comment_id": identity(comment_id, "comment")}
