"""An order for a session, answered: as one document when all is done, or as a stream that can be left and come back to.

The work of a stream goes on without its reader: what it writes is paid for and stored, and whoever comes back is told
what was missed. Who waits for one document and goes away could never be told: that work is stopped.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from endpoints.answering import HeadersOf, answer
from endpoints.running_orders import RunningOrder
from endpoints.server_sent_events import Event, EventStream, wants_events
from endpoints.services import Services
from endpoints.session_work import Do
from endpoints.work import Emit, Work
from functions.callers import Caller
from functions.failures import Failure


async def answer_order(
    app: Services,
    request: Request,
    caller: Caller,
    do: Do,
    *,
    session_id: str = "",
    status_code: int = 200,
    headers_of: HeadersOf,
) -> Response:
    """Begin the order, of a session that is there or of a new one, and answer.

    What it fails with before it is stored is raised, and `WorkUnderWay`.
    """
    order = await app.running_orders.start(do, user_id=caller.user_id, session_id=session_id)
    if not wants_events(request):
        wait = partial(_wait, app, order)
        return await answer(request, wait, status_code=status_code, headers_of=headers_of, as_events=False)
    headers: Mapping[str, Any] = headers_of(order.events[0].data)
    work = Work(partial(follow, order, 0), request)
    return EventStream(work, status_code=status_code, headers=dict(headers), whole=partial(_whole, order))


async def follow(order: RunningOrder, after: int, emit: Emit[Event]) -> None:
    """Tell what the order has told since its event numbered `after`, to its end. Raises what it failed with."""
    async for event in order.events_after(after):
        await emit(event)


async def _wait(app: Services, order: RunningOrder, emit: Emit[Event]) -> None:
    try:
        await follow(order, 0, emit)
    finally:
        await app.running_orders.stop(order)


async def _whole(order: RunningOrder) -> bytes | None:
    try:
        return b"".join([event.encoded() async for event in order.events_after(0)])
    except Failure:
        return None
