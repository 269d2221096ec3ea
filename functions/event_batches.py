"""Events of a generation in batches, as they cross between an engine's container and the web tier's: JSON text.

One message per token would cost more than the token. A batch is sent 20 ms after its first event or at 16 tokens,
whichever comes first; the first token and the end are sent at once.

A platform may run a call again when its container is lost, and go on numbering where the lost run stopped. So a batch
says which run it belongs to: text of two runs is never joined.
"""

import asyncio
import dataclasses
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field

from functions.failures import (
    ConstraintRefused,
    EngineUnavailable,
    Failure,
    GenerationTimeout,
    PromptTooLong,
    Refused,
)
from functions.generation import (
    CandidateFinished,
    Delta,
    EngineClient,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Wire,
)
from infra import telemetry

BATCH_S: Final = 0.020
BATCH_TOKENS: Final = 16

_FAILURES: Final = {
    kind.__name__: kind for kind in (ConstraintRefused, EngineUnavailable, GenerationTimeout, PromptTooLong, Refused)
}


class RemoteGeneration(Wire):
    """A generation as it is sent. `start_by` and `finish_by` are Unix times: waiting for a container counts, too."""

    request: GenerationRequest
    start_by: float
    finish_by: float
    traceparent: str | None


class Started(Wire):
    """The first event: a container has taken the call, which is cancelled by `call_id`."""

    type: Literal["started"] = "started"
    call_id: str


class Failed(Wire):
    """The last event of a generation that ended in a failure that its caller is told about."""

    type: Literal["failed"] = "failed"
    failure: str
    fields: dict[str, Any]

    @classmethod
    def of(cls, failure: EngineUnavailable | GenerationTimeout | PromptTooLong | Refused) -> Self:
        """From what an engine raised."""
        return cls(failure=type(failure).__name__, fields=dataclasses.asdict(failure))

    def to_failure(self) -> Failure:
        """What the engine raised."""
        return _FAILURES[self.failure](**self.fields)


class Batch(Wire):
    """Events in order; `number` counts the batches of one `run` from 0."""

    run: str
    number: int
    events: tuple[Annotated[Started | Delta | CandidateFinished | Finished | Failed, Field(discriminator="type")], ...]


async def run_generation(engine: EngineClient, sent: str, call_id: str) -> AsyncGenerator[str, None]:
    """Run a `RemoteGeneration` and yield its batches, as JSON. Closing the generator aborts the generation."""
    call = RemoteGeneration.model_validate_json(sent)
    run = secrets.token_hex(4)
    yield Batch(run=run, number=0, events=(Started(call_id=call_id),)).model_dump_json()
    outbox = _Outbox()
    producer = asyncio.create_task(_produce(engine, call, outbox))
    try:
        number = 0
        while events := await outbox.take(at_once=number == 0):
            number += 1
            yield Batch(run=run, number=number, events=events).model_dump_json()
        await producer
    finally:
        producer.cancel()
        await asyncio.wait({producer})


class _Outbox:
    """Events that wait to be sent."""

    def __init__(self) -> None:
        self._events: list[GenerationEvent | Failed] = []
        self._tokens = 0
        self._any = asyncio.Event()
        self._enough = asyncio.Event()
        self._closed = False

    def put(self, event: GenerationEvent | Failed) -> None:
        self._events.append(event)
        self._any.set()
        if isinstance(event, Delta):
            self._tokens += event.tokens
        if self._tokens >= BATCH_TOKENS:
            self._enough.set()

    def close(self) -> None:
        self._closed = True
        self._any.set()
        self._enough.set()

    async def take(self, *, at_once: bool) -> tuple[GenerationEvent | Failed, ...]:
        """The next batch; empty when there is none left and none to come."""
        await self._any.wait()
        if not at_once:
            with suppress(TimeoutError):
                async with asyncio.timeout(BATCH_S):
                    await self._enough.wait()
        taken = tuple(self._events)
        self._events.clear()
        self._tokens = 0
        if not self._closed:
            self._any.clear()
            self._enough.clear()
        return taken


async def _produce(engine: EngineClient, call: RemoteGeneration, outbox: _Outbox) -> None:
    now = time.time()
    request = call.request.model_copy(update={"timeout_s": min(call.request.timeout_s, call.finish_by - now)})
    try:
        if now > call.start_by:
            outbox.put(Failed.of(EngineUnavailable("the engine", "no container took the request in time")))
            return
        with telemetry.continued(call.traceparent):
            async with aclosing(engine.generate(request)) as events:
                async for event in events:
                    outbox.put(event)
    except (EngineUnavailable, GenerationTimeout, PromptTooLong, Refused) as failure:
        outbox.put(Failed.of(failure))
    finally:
        outbox.close()
