"""A request under /v1 from its admission to its last event: what chat completions, completions and responses share."""

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from endpoints.admission import Admission, admitted
from endpoints.answer_caching import AnswerCaching
from endpoints.answering import answer
from endpoints.engine_events import check_constraint, engine_events
from endpoints.openai.constraint_sets import AskedSet, events_under
from endpoints.openai.constraints import AskedConstraint
from endpoints.openai.errors import error_document, rate_limit_headers
from endpoints.problems import Problem
from endpoints.server_sent_events import Event
from endpoints.services import Services
from endpoints.work import Emit
from functions.callers import Caller
from functions.checked_generation import MOST_ATTEMPTS
from functions.failures import NotFound
from functions.generation import GenerationEvent, GenerationRequest

EmitEvent = Emit[Event]
"""Made once: an annotation is evaluated whenever the function that it stands in is defined."""


class Reply(Protocol):
    """What is answered, made from the engine's events as they come.

    `extra` are fields beyond OpenAI's: of the whole document, and of a stream's event that says how it ended.
    """

    extra: dict[str, Any]

    def events(self, event: GenerationEvent) -> Iterator[Event]:
        """What a stream says at this event."""
        ...

    def last(self) -> Iterator[Event]:
        """What a stream ends with, after the work has been accounted for."""
        ...

    def document(self) -> dict[str, Any]:
        """The whole answer, for who wants no stream."""
        ...

    def failed(self, error: dict[str, Any]) -> Event:
        """What a stream says when it breaks off; `error` is the error object of OpenAI's."""
        ...


class DoneEvent(Event):
    """The end of a stream of OpenAI's chunks. It is no JSON."""

    def encoded(self) -> bytes:
        """See `Event`."""
        return b"data: [DONE]\n\n"


def chunk(data: dict[str, Any]) -> Event:
    """An event of the default type, as all of OpenAI's chunks are."""
    return Event(None, data)


def served_model(app: Services, name: str) -> str:
    """The full name of the model that generates. Raises `NotFound` for any other one."""
    served = app.settings.engine.model
    if name not in {served, short_name(served)}:
        raise NotFound(f"model {name!r} here; this server generates with {served!r}")
    return served


def short_name(model: str) -> str:
    """Its last part: `Qwen2.5-Coder-32B-Instruct`."""
    return model.rpartition("/")[2]


async def serve(
    app: Services,
    request: Request,
    caller: Caller,
    generation: GenerationRequest,
    asked: AskedConstraint | None,
    reply: Reply,
    *,
    endpoint: str,
    stream: bool,
    asked_set: AskedSet | None = None,
) -> Response:
    """Admit the work, do it, and answer. Whatever is refused is refused before a stream begins."""
    headers: dict[str, str] = {}
    caching: list[AnswerCaching] = []
    tokens = generation.sampling.max_tokens * generation.sampling.n

    async def do(emit: EmitEvent) -> None:
        writings = 1 if asked_set is None else MOST_ATTEMPTS
        admitting = admitted(app, request, caller, endpoint=endpoint, max_tokens=tokens, generations=writings)
        async with admitting as admission:
            headers.update(admission_headers(admission))
            caching.append(admission.answers)
            if asked is not None:
                await check_constraint(app, asked.constraint, asked.places)
            compiled = await app.compiler.given(asked_set.constraints, asked_set.digest) if asked_set else None
            if compiled is None:
                source = engine_events(app, generation, admission)
            else:
                verdict: dict[str, Any] = {}
                reply.extra["constraint_set"] = verdict
                source = events_under(app, generation, admission, compiled, verdict)
            async with aclosing(source) as events:
                async for event in events:
                    for said in reply.events(event):
                        if stream:
                            await emit(said)
        if not stream:
            await emit(Event(None, reply.document()))
            return
        for said in reply.last():
            await emit(said)

    def failed(problem: Problem, _scope: Scope) -> Event:
        return reply.failed(error_document(problem)["error"])

    return await answer(
        request, do, as_events=stream, headers_of=lambda _data: headers | caching[0].headers, failed=failed
    )


def admission_headers(admission: Admission) -> dict[str, str]:
    """What is left of the caller's rate of generations."""
    rate = next((limit for limit in admission.limits if limit.policy == "generations"), None)
    return {} if rate is None else rate_limit_headers(rate.quota, rate.remaining, rate.reset_s)
