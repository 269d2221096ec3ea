"""One kind of work, two ways to answer: a stream of events to who asks for it, else the last event's data as JSON."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from endpoints.server_sent_events import Event, EventStream, FailedEvent, problem_event, wants_events
from endpoints.work import Emit, Work

HeadersOf = Callable[[Any], Mapping[str, str]]


async def answer(
    request: Request,
    do: Callable[[Emit[Event]], Awaitable[None]],
    *,
    status_code: int = 200,
    headers_of: HeadersOf = lambda _data: {},
    as_events: bool | None = None,
    failed: FailedEvent = problem_event,
) -> Response:
    """Do the work and answer; `headers_of` takes the data of the first event (stream) or of the last (JSON).

    `as_events` says which of the two it is, where that is not in the request's `Accept`; `failed` as in `EventStream`.

    `do` emits at least one event. What fails before the first is raised, so that it is answered with a status of its
    own. A client that goes away stops the work at once; `ClientGone` is raised where nothing has been sent.
    """
    work = Work(do, request)
    try:
        last = await work.begin()
        if wants_events(request) if as_events is None else as_events:
            return EventStream(work, status_code=status_code, headers=dict(headers_of(last.data)), failed=failed)
        async for event in work:
            last = event
    except BaseException:
        await work.close()
        raise
    await work.close()
    return JSONResponse(last.data, status_code, headers=dict(headers_of(last.data)))
