"""What a session costs money for, as work that emits events: for the API's answers and for the console's."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request

from endpoints.admission import admitted
from endpoints.problems import FailureAbout
from endpoints.server_sent_events import Event
from endpoints.services import Services
from endpoints.specification import telling
from endpoints.work import Emit
from functions.callers import Caller
from functions.candidate_round import Progress
from functions.failures import Failure
from functions.generation import EngineClient
from functions.session_pipeline import Order
from functions.sessions import Session

ENGINE_STAGES = frozenset({"specifying", "implementing"})
POLL_S = 0.25

Do = Callable[[Emit[Event]], Awaitable[None]]


def working(
    app: Services,
    request: Request,
    caller: Caller,
    order: Order,
    session: Session | None = None,
    *,
    patience_s: float = 0.0,
) -> Do:
    """Carry out `order`, for a new session or for one that is there; an engine that is warming is waited for so long.

    Emits `session` when the order is stored, `ir` and `code` when they are, progress in between, then `done`. A failure
    after the first says which session it is about.
    """
    lasting = app.lasting_tokens.caller(caller)

    async def do(emit: Emit[Event]) -> None:
        told: str | None = None
        generations = _generations(order)
        try:
            async with admitted(app, request, lasting, endpoint="sessions", generations=generations) as admission:
                begun = session or await app.pipeline.accept(lasting, order)
                admission.about_session(begun.id)
                await emit(Event("session", {"session": begun.model_dump(mode="json")}))
                told = begun.id
                progress = _waiting_for(app.engine, patience_s, telling(emit))
                done = await app.pipeline.work(lasting, begun, order, progress=progress, spent=admission.used)
        except Failure as failure:  # out here: what it costs is decided by what it is
            if told is None:
                raise
            raise FailureAbout(failure, {"session_id": told}) from failure
        await emit(Event("done", done.model_dump(mode="json")))

    return do


def _waiting_for(engine: EngineClient, patience_s: float, progress: Progress) -> Progress:
    """`progress` that returns from a stage's beginning when the engine can take the stage on, or patience is over."""
    if not patience_s:
        return progress

    async def told(stage: str, data: dict[str, Any]) -> None:
        await progress(stage, data)
        if stage not in ENGINE_STAGES:
            return
        with contextlib.suppress(TimeoutError, Failure):
            async with asyncio.timeout(patience_s):
                while (await engine.status()).state == "warming":  # noqa: ASYNC110 - it is told to others the same way
                    await asyncio.sleep(POLL_S)

    return told


def _generations(order: Order) -> int:
    """What it may take: the specification, and a round of candidates with each repair."""
    code = order.candidates * (1 + order.repairs) if order.until == "code" and order.source is None else 0
    return max(1, int(order.ir is None) + code)
