"""GET /api/sessions/search: sessions by what they mean, not by their words."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field, StringConstraints

from endpoints.guard import App, GuardedRoute, Reader
from endpoints.openapi import problem_responses
from functions.session_search import Hit

router = APIRouter(route_class=GuardedRoute, prefix="/api/sessions", tags=["sessions"])

Question = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"\S")]


class Hits(BaseModel):
    """Sessions by nearness. There are no further pages: what is farther away means something else."""

    items: list[Hit]
    next_cursor: str | None = Field(default=None, description="Always null.")


@router.get("/search", summary="Own sessions by meaning, nearest first", responses=problem_responses(429))
async def search_sessions(
    app: App,
    caller: Reader,
    q: Annotated[Question, Query(description="What the sessions should be about, in plain words.")],
    limit: Annotated[int, Query(ge=1, le=100, description="At most this many items.")] = 10,
) -> Hits:
    """The caller's own sessions that mean most nearly what `q` says. `similarity` is at most 1: the same meaning.

    A session is found by its newest version a moment after that was written. For words as they are written, see `q` of
    the list.
    """
    return Hits(items=list(await app.search.nearest(caller, q, limit=limit)))
