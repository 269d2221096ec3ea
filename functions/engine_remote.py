"""The engine as the web tier sees it on Modal: a client of the `Engine` class in another container.

What Modal's own client does not do is here: a generation whose consumer went away is cancelled at the engine, one that
never started is tried once more, none waits longer than its deadline, and the text of two runs is never joined.
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

import modal
import structlog
from opentelemetry.trace import Span, SpanKind

from functions.cache import Cache, Store
from functions.event_batches import Batch, Failed, RemoteGeneration, Started
from functions.failures import EngineUnavailable, GenerationTimeout
from functions.generation import EngineState, EngineStatus, Finished, GenerationEvent, GenerationRequest
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import EngineSettings

ATTEMPTS: Final = 2
LAST_START: Final = "last"
WEEK_S: Final = 7 * 24 * 3600.0
STATUS_TIMEOUT_S: Final = 2.0
STATUS_AGE_S: Final = 1.0
GRACE_S: Final = 5.0
"""How long past a deadline an engine may take to say so itself."""

_log = structlog.get_logger()

Generate = modal.Function[Any, Any, Any]


def start_times(store: Store, settings: EngineSettings) -> Cache:
    """Where engines of these settings say under `LAST_START`, in seconds, how long they took to start."""
    return Cache(store, name="engine-starts", version=f"{settings.model}@{settings.revision}", max_age_s=WEEK_S)


class RemoteEngine:
    """An `EngineClient` over the generator method `generate` of Modal's `Engine` class.

    `cold_start_wait_s` is how long a generation waits for a container before it is answered `EngineUnavailable`.
    `starts` is where engines say how long they took to start. `client` is Modal's, and its own by default.
    """

    def __init__(
        self,
        generate: Generate,
        model: str,
        *,
        cold_start_wait_s: float,
        starts: Cache,
        client: modal.Client | None = None,
    ) -> None:
        self._generate = generate
        self._starts = starts
        self._client = client
        self._model = model
        self._cold_start_wait_s = cold_start_wait_s
        self._tasks: set[asyncio.Task[None]] = set()
        self._status: tuple[float, EngineStatus] | None = None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """Stream the events of one request; closing the generator cancels it in its container."""
        span = telemetry.tracer().start_span(names.ENGINE_CALL, kind=SpanKind.CLIENT)
        is_over = False
        try:
            async with aclosing(self._attempts(request, span)) as events:
                async for event in events:
                    is_over = isinstance(event, Finished)
                    yield event
        except BaseException as error:
            if not is_over:
                telemetry.note_error(span, error)
            raise
        finally:
            span.end()

    async def status(self) -> EngineStatus:
        """From Modal's own counts, at most a second old: asking starts no container.

        A container that is still loading counts as one that runs, so `ready` may be early while nothing is queued.
        """
        now = time.monotonic()
        if self._status is None or now - self._status[0] > STATUS_AGE_S:
            self._status = (now, await self._ask_status())
        return self._status[1]

    async def close(self, *, within_s: float = 5) -> None:
        """Wait until the cancellations that are under way have reached Modal, as far as the time goes."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=within_s)

    async def _attempts(self, request: GenerationRequest, span: Span) -> AsyncGenerator[GenerationEvent, None]:
        now = time.time()
        sent = RemoteGeneration(
            request=request,
            start_by=now + min(self._cold_start_wait_s, request.timeout_s),
            finish_by=now + request.timeout_s,
            traceparent=telemetry.traceparent(span if span.is_recording() else None),
        )
        for attempts_left in reversed(range(ATTEMPTS)):
            call = _Call(self._generate, sent, self._client, span)
            self._keep(call.reader)
            try:
                while (event := await call.next_event()) is not None:
                    yield event
            except _CallLostError as lost:
                span.add_event(names.CALL_LOST)
                _log.warning("engine call lost", passed_on=call.passed_on, reason=str(lost))
                if call.passed_on or not attempts_left or time.time() > sent.start_by:
                    raise EngineUnavailable("the engine", str(lost)) from lost
            else:
                return
            finally:
                if not call.is_over:
                    # Not awaited: a consumer that went away, or a server that is cancelling it, waits for nobody.
                    self._keep(asyncio.create_task(call.cancel()))

    async def _ask_status(self) -> EngineStatus:
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                stats = await self._generate.get_current_stats.aio()
                last_start = await self._starts.get(LAST_START)
        except Exception as error:  # noqa: BLE001 - whatever it is, the answer is that nothing is known
            return EngineStatus(state="unknown", model=self._model, detail=type(error).__name__)
        state: EngineState = "ready"
        if stats.num_running_inputs == 0 and stats.backlog > 0:
            state = "warming"
        elif stats.num_total_runners == 0:
            state = "cold"
        return EngineStatus(
            state=state,
            model=self._model,
            running=stats.num_running_inputs,
            waiting=stats.backlog,
            last_start_s=float(last_start) if last_start else None,
        )

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _CallLostError(Exception):
    """The platform lost the call, or never took it; nothing is known of the engine itself."""


class _Call:
    """One call of the remote generator.

    A task of its own reads it, because Modal's client does not cancel a generator that is closed: the call has to be
    cancelled by its id, which comes with its first batch, maybe after the consumer has gone.
    """

    def __init__(self, generate: Generate, sent: RemoteGeneration, client: modal.Client | None, span: Span) -> None:
        self._client = client
        self._span = span
        self.passed_on = False
        self.is_over = False
        self._sent = sent
        self._batches: asyncio.Queue[Batch | _CallLostError] = asyncio.Queue()
        self._events: list[GenerationEvent | Failed] = []
        self._run: str | None = None
        self._id: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.reader = asyncio.create_task(self._read(generate))

    async def next_event(self) -> GenerationEvent | None:
        """The next event, `None` after the last. Raises what the engine raised, `_CallLostError`, and on deadlines."""
        if self.is_over:
            return None
        while not self._events:
            batch = await self._next_batch()
            if batch.run != self._run and self.passed_on:
                raise _CallLostError("its container was lost while it was writing")
            self._run = batch.run
            self._events = [event for event in batch.events if not isinstance(event, Started)]
        event = self._events.pop(0)
        self.is_over = isinstance(event, Finished | Failed)
        if isinstance(event, Failed):
            raise event.to_failure()
        self.passed_on = True
        return event

    async def cancel(self) -> None:
        """Cancel the call in its container. One that has not started is cancelled when it does, or never starts."""
        try:
            async with asyncio.timeout(max(0.0, self._sent.start_by - time.time()) + GRACE_S):
                call_id = await self._id
                if call_id is not None:
                    await modal.FunctionCall.from_id(call_id, client=self._client).cancel.aio()
        except Exception as error:  # noqa: BLE001 - the deadline that was sent along ends it, too
            _log.warning("a generation could not be cancelled", error=type(error).__name__)
        finally:
            self.reader.cancel()

    async def _next_batch(self) -> Batch:
        started = self._id.done()
        until = self._sent.finish_by + GRACE_S if started else self._sent.start_by
        try:
            async with asyncio.timeout(max(0.0, until - time.time())):
                batch = await self._batches.get()
        except TimeoutError:
            if started:
                raise GenerationTimeout(self._sent.request.timeout_s) from None
            raise EngineUnavailable("the engine", "it is starting; try again", retry_after_s=10.0) from None
        if isinstance(batch, _CallLostError):
            self.is_over = True
            raise batch
        return batch

    async def _read(self, generate: Generate) -> None:
        reason = "the stream ended without an end"
        try:
            async for text in generate.remote_gen.aio(self._sent.model_dump_json()):
                batch = Batch.model_validate_json(text)
                if not self._id.done() and isinstance(batch.events[0], Started):
                    self._id.set_result(batch.events[0].call_id)
                    self._span.add_event(names.CONTAINER_TOOK_IT)
                self._batches.put_nowait(batch)
        except Exception as error:  # noqa: BLE001 - Modal's client raises errors of several libraries, and the remote's
            _log.warning("engine call failed", error=type(error).__name__, detail=str(error)[:500])
            reason = f"the call failed ({type(error).__name__})"
        finally:
            self._batches.put_nowait(_CallLostError(reason))
            if not self._id.done():
                self._id.set_result(None)
