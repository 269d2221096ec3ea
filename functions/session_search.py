"""Sessions by meaning: the nearest ones to a text, by the cosine of their embeddings."""

from collections.abc import Sequence
from contextlib import suppress

from pydantic import BaseModel, ConfigDict

from functions.callers import Caller
from functions.database import Database
from functions.embeddings import MODEL, Embedder, Vector
from functions.failures import Forbidden, NotFound
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
    """Each caller's own sessions. `functions.search_index` embeds them after they were written."""

    def __init__(self, database: Database, embedder: Embedder) -> None:
        self._database = database
        self._embedder = embedder

    async def embed(self, written: Sequence[tuple[Caller, Session]]) -> int:
        """Make sessions found as they are in these versions, each by a caller who may write it; return how many were.

        Of two versions of one session the later one stays. A session that is gone is passed over. Raises `Unavailable`.
        """
        vectors, _ = await self._embedder.embed([_meaning_of(session) for _, session in written])
        embedded = 0
        for (caller, session), vector in zip(written, vectors, strict=True):
            with suppress(NotFound, Forbidden):  # deleted meanwhile, or no longer shared with its writer
                await self._store(caller.token, session.id, session.version, vector)
                embedded += 1
        return embedded

    async def embed_missing(self, service_key: str, *, limit: int = 100) -> int:
        """For a scheduled job: embed up to `limit` sessions whose newest version is not; return how many were."""
        arguments = {"p_model": MODEL, "p_limit": limit}
        rows = await self._database.call("list_sessions_to_embed", arguments, token=service_key, idempotent=True)
        if not rows:
            return 0
        vectors, _ = await self._embedder.embed([meaning(row["prompt"], row["summary"]) for row in rows])
        embedded = 0
        for row, vector in zip(rows, vectors, strict=True):
            with suppress(NotFound):
                await self._store(service_key, row["id"], row["version"], vector)
                embedded += 1
        return embedded

    async def nearest(self, caller: Caller, q: str, *, limit: int = 10) -> Sequence[Hit]:
        """The caller's own sessions that mean most nearly what `q` says, nearest first, at most 100."""
        ((vector,), _) = await self._embedder.embed([q])
        arguments = {"p_embedding": vector, "p_model": MODEL, "p_limit": limit}
        rows = await self._database.call("search_sessions", arguments, token=caller.token, idempotent=True)
        return [Hit.model_validate(row) for row in rows]

    async def _store(self, token: str, session_id: str, version: int, vector: Vector) -> None:
        arguments = {"p_id": session_id, "p_version": version, "p_model": MODEL, "p_embedding": vector}
        await self._database.call("set_session_embedding", arguments, token=token, idempotent=True)


def _meaning_of(session: Session) -> str:
    intent = (session.current_ir or {}).get("intent") or {}
    return meaning(session.prompt, intent.get("summary"))
