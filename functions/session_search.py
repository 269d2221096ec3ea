"""Sessions by meaning: the nearest ones to a text, by the cosine of their embeddings."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.embeddings import MODEL, Embedder
from functions.sessions import Session


class Hit(BaseModel):
    """A session, and how near it is: 1 is the same meaning, 0 nothing in common."""

    model_config = ConfigDict(frozen=True)

    session: Session
    similarity: float


def meaning(prompt: str, summary: str | None) -> str:
    """The text that a session's embedding is made from: the summary first, where a long prompt cannot push it out."""
    return f"{summary}\n{prompt}" if summary else prompt


class SessionSearch:
    """Each caller's own sessions. `embed` comes after the answer to whatever changed a session, never before it."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def embed(self, caller: Caller, session: Session) -> None:
        """Make `session` found as it is in this version. Of two versions the later one stays. Raises `NotFound`."""
        intent = (session.current_ir or {}).get("intent") or {}
        (vector,) = await self._embedder.embed([meaning(session.prompt, intent.get("summary"))])
        arguments = {"p_id": session.id, "p_version": session.version, "p_model": MODEL, "p_embedding": vector}
        await self._database.call("set_session_embedding", arguments, token=caller.token, idempotent=True)

    async def nearest(self, caller: Caller, q: str, *, limit: int = 10) -> Sequence[Hit]:
        """The caller's own sessions that mean most nearly what `q` says, nearest first, at most 100."""
        (vector,) = await self._embedder.embed([q])
        arguments = {"p_embedding": vector, "p_model": MODEL, "p_limit": limit}
        rows = await self._database.call("search_sessions", arguments, token=caller.token, idempotent=True)
        return [Hit.model_validate(row) for row in rows]
