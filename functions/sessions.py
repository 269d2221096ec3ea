"""Sessions: a prompt, its specification, its code, and every version of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from functions.callers import Caller
from functions.database import Database
from functions.failures import Conflict, Forbidden
from functions.identities import identity
from functions.pages import Page, cursor_of, instant_of, position_of

Status = Literal["active", "finalized", "abandoned"]
GenerationStatus = Literal["pending", "complete", "error"]
LONGEST_DESCRIPTION = 1000


class _Stored(BaseModel):
    """As the database gives it. A field that a later migration adds is passed over."""

    model_config = ConfigDict(frozen=True)


class Session(_Stored):
    """The current version. `holes` are the open ones of `current_ir`; `resolutions` are the answers to the others.

    `role` is what the session is to whoever asked. `tests` are its own (`functions.own_tests`), as source text.
    """

    id: str
    user_id: str
    role: Literal["owner", "editor", "viewer"]
    prompt: str
    status: Status
    generation_status: GenerationStatus
    version: int
    current_ir: dict[str, Any] | None
    generated_code: str | None
    holes: list[dict[str, Any]]
    resolutions: list[dict[str, Any]]
    evidence: dict[str, Any]
    metadata: dict[str, Any]
    tests: str | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def is_writable(self) -> bool:
        """Whether who asked for it may change what it says."""
        return self.role != "viewer" and self.status == "active"

    def require_editor(self) -> None:
        """Raises `Forbidden` for who may only read it."""
        if self.role == "viewer":
            raise Forbidden("this session is shared with you for reading alone")

    def require_writable(self) -> None:
        """Before work that costs: the database would refuse only what came of it. Raises `Forbidden`, `Conflict`."""
        self.require_editor()
        if self.status != "active":
            raise Conflict(f"the session is {self.status}: nothing more is written for it", {"status": self.status})


class VersionSummary(_Stored):
    """One version, without its content. `changed_by` is a user's id."""

    version: int
    status: Status
    generation_status: GenerationStatus
    change_description: str
    changed_by: str | None
    created_at: datetime


class SessionVersion(VersionSummary):
    """One version, whole."""

    session_id: str
    prompt: str
    ir_snapshot: dict[str, Any] | None
    code_snapshot: str | None
    holes: list[dict[str, Any]]
    resolutions: list[dict[str, Any]]
    evidence: dict[str, Any]
    metadata: dict[str, Any]
    tests: str | None = None


class SessionEvent(_Stored):
    """Something that happened to a session. `id` grows; within one session no smaller one appears later."""

    id: int
    type: str
    data: dict[str, Any]
    created_at: datetime


class NewSession(BaseModel):
    """What a session begins with. `id` (a UUID) may be chosen by the caller."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    current_ir: dict[str, Any] | None = None
    generated_code: str | None = None
    generation_status: GenerationStatus = "pending"
    evidence: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    description: str = Field("created", max_length=LONGEST_DESCRIPTION)
    id: str | None = None
    tests: str | None = None


class SessionChanges(BaseModel):
    """Fields to change: those that are set. None clears `current_ir`, `generated_code` and `tests`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str = ""
    current_ir: dict[str, Any] | None = None
    generated_code: str | None = None
    generation_status: GenerationStatus = "pending"
    evidence: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    tests: str | None = None


Written = Callable[[Caller, Session], None]
"""Told of every version that was written, by whom; it returns at once and raises nothing."""


def _untold(_caller: Caller, _session: Session) -> None:
    """Nobody wants to know."""


class SessionStore:
    """Sessions as their callers may see them; one that may not be seen does not exist (`NotFound`).

    Every write names the version it was made from and makes the next one; `StaleVersion` means that somebody was
    faster. Writing to what is only shared for reading is `Forbidden`. All raise `DatabaseUnavailable`.
    """

    def __init__(self, database: Database, *, written: Written = _untold) -> None:
        self._database = database
        self._written = written

    async def create(self, caller: Caller, new: NewSession) -> Session:
        """Version 1. Raises `Conflict` when there is a session of that id."""
        arguments = {f"p_{name}": value for name, value in new.model_dump().items()}
        return await self._write("create_session", caller, arguments)

    async def get(self, caller: Caller, session_id: str) -> Session:
        """The current version."""
        row = await self._read("get_session", caller, {"p_id": identity(session_id, "session")})
        return Session.model_validate(row)

    async def list(
        self,
        caller: Caller,
        *,
        limit: int = 50,
        cursor: str | None = None,
        status: Status | None = None,
        q: str | None = None,
        shared: bool = False,
    ) -> Page[Session]:
        """The caller's own sessions (or those `shared` with the caller), newest first, at most 200 at a time.

        `q` is searched for in prompts, summaries and names, with the syntax of web search engines. Raises `Refused`.
        """
        before = instant_of(cursor)
        arguments = {
            "p_limit": limit,
            "p_before_created_at": before and before.created_at.isoformat(),
            "p_before_id": before and str(before.id),
            "p_status": status,
            "p_q": q,
            "p_shared": shared,
        }
        page = await self._read("list_sessions", caller, arguments)
        items = [Session.model_validate(item) for item in page["items"]]
        return Page(items=items, next_cursor=cursor_of(page["next"]))

    async def save(
        self, caller: Caller, session_id: str, *, expected_version: int, changes: SessionChanges, description: str = ""
    ) -> Session:
        """Change the fields that are set in `changes`. Raises `Conflict` for the specification of a closed session."""
        arguments = {
            "p_id": identity(session_id, "session"),
            "p_expected_version": expected_version,
            "p_changes": changes.model_dump(exclude_unset=True),
            "p_description": description[:LONGEST_DESCRIPTION],
        }
        return await self._write("save_session", caller, arguments)

    async def delete(self, caller: Caller, session_id: str, *, expected_version: int | None = None) -> None:
        """Delete it with all that hangs on it. Its owner alone may."""
        arguments = {"p_id": identity(session_id, "session"), "p_expected_version": expected_version}
        await self._database.call("delete_session", arguments, token=caller.token)

    async def history(
        self, caller: Caller, session_id: str, *, limit: int = 50, cursor: str | None = None
    ) -> Page[VersionSummary]:
        """Every version ever stored, latest first."""
        arguments = {"p_id": identity(session_id, "session"), "p_limit": limit, "p_before": position_of(cursor, int)}
        page = await self._read("list_versions", caller, arguments)
        items = [VersionSummary.model_validate(item) for item in page["items"]]
        return Page(items=items, next_cursor=cursor_of(page["next"]))

    async def version(self, caller: Caller, session_id: str, version: int) -> SessionVersion:
        """One version as it was."""
        row = await self._read("get_version", caller, {"p_id": identity(session_id, "session"), "p_version": version})
        return SessionVersion.model_validate(row)

    async def rollback(self, caller: Caller, session_id: str, *, expected_version: int, to_version: int) -> Session:
        """The content of `to_version` as a new version; a closed session is open again."""
        arguments = {
            "p_id": identity(session_id, "session"), "p_expected_version": expected_version, "p_to_version": to_version
        }  # fmt: skip
        return await self._write("rollback_session", caller, arguments)

    async def resolve_hole(
        self,
        caller: Caller,
        session_id: str,
        hole_id: str,
        *,
        expected_version: int,
        answer: Any,
        current_ir: Mapping[str, Any] | None = None,
    ) -> Session:
        """Keep the answer and take the hole out of the open ones; `current_ir` is the IR with the answer worked in."""
        arguments = {
            "p_id": identity(session_id, "session"),
            "p_expected_version": expected_version,
            "p_hole_id": hole_id,
            "p_answer": answer,
            "p_current_ir": current_ir,
        }
        return await self._write("resolve_hole", caller, arguments)

    async def finalize(self, caller: Caller, session_id: str, *, expected_version: int) -> Session:
        """Close the specification. Raises `Conflict` with the ids of the holes that are still open in its details."""
        arguments = {"p_id": identity(session_id, "session"), "p_expected_version": expected_version}
        return await self._write("finalize_session", caller, arguments)

    async def abandon(self, caller: Caller, session_id: str, *, expected_version: int) -> Session:
        """Close it unfinished."""
        arguments = {"p_id": identity(session_id, "session"), "p_expected_version": expected_version}
        return await self._write("abandon_session", caller, arguments)

    async def events(
        self, caller: Caller, session_id: str, *, after: int = 0, limit: int = 100
    ) -> Sequence[SessionEvent]:
        """What happened after the event numbered `after`, in order."""
        arguments = {"p_id": identity(session_id, "session"), "p_after": after, "p_limit": limit}
        rows = await self._read("list_session_events", caller, arguments)
        return [SessionEvent.model_validate(row) for row in rows]

    async def position(self, caller: Caller, session_id: str) -> tuple[int, int]:
        """The current version, and the number of the last event (0: none yet)."""
        row = await self._read("get_session_position", caller, {"p_id": identity(session_id, "session")})
        return row["version"], row["last_event_id"]

    async def _read(self, function: str, caller: Caller, arguments: Mapping[str, Any]) -> Any:
        return await self._database.call(function, arguments, token=caller.token, idempotent=True)

    async def _write(self, function: str, caller: Caller, arguments: Mapping[str, Any]) -> Session:
        session = Session.model_validate(await self._database.call(function, arguments, token=caller.token))
        self._written(caller, session)
        return session
