"""The console's first page: the sessions, to search and to filter."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.examples import EXAMPLES
from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute, Visitor, is_partial
from endpoints.console.sign_in import show_form
from endpoints.guard import App
from endpoints.rate_limit_headers import counted
from endpoints.services import Services
from functions.callers import Caller

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

PAGE_SIZE = 20

NEAREST = 10
FAR = 0.2
"""Less near than this a session is about something else."""

StatusFilter = Literal["", "active", "finalized", "abandoned"]
By = Literal["words", "meaning"]


@router.api_route("/", methods=["GET", "HEAD"])
async def front_page(
    request: Request,
    app: App,
    visitor: Visitor,
    q: Annotated[str, Query(max_length=500)] = "",
    status: StatusFilter = "",
    shared: Annotated[bool, Query()] = False,  # noqa: FBT002 - a query parameter
    by: By = "words",
    cursor: Annotated[str, Query(max_length=512)] = "",
) -> Response:
    """The visitor's sessions; for a stranger, what this is and the way in."""
    if visitor is None:
        return show_form(request, app)
    counted(request, [await app.read_limits.take(visitor)])
    if by == "meaning" and q.strip():
        shown = await _nearest(app, visitor, q, status)
    else:
        shown = await _sessions(app, visitor, q=q, status=status, shared=shared, cursor=cursor)
    shown["by"] = by
    if is_partial(request) and request.headers.get("hx-target") in {"sessions", "more"}:
        return part(request, "_session_rows.html", **shown)
    return page(request, "sessions.html", **shown, examples=EXAMPLES)


async def _nearest(app: Services, caller: Caller, q: str, status: StatusFilter) -> dict[str, Any]:
    """Own sessions that mean what `q` says, nearest first."""
    hits = await app.search.nearest(caller, q.strip(), limit=NEAREST)
    near = [hit.session for hit in hits if hit.similarity >= FAR and status in {"", hit.session.status}]
    filters = {"q": q, "wanted": status, "shared": False}
    return {"sessions": near, "next_cursor": None, "is_first": True, "is_filtered": True, **filters}


async def _sessions(
    app: Services, caller: Caller, *, q: str, status: StatusFilter, shared: bool, cursor: str
) -> dict[str, Any]:
    found = await app.sessions.list(
        caller, limit=PAGE_SIZE, cursor=cursor or None, status=status or None, q=q.strip() or None, shared=shared
    )
    return {
        "sessions": found.items,
        "next_cursor": found.next_cursor,
        "q": q,
        "wanted": status,
        "shared": shared,
        "is_first": not cursor,
        "is_filtered": bool(q.strip() or status),
    }
