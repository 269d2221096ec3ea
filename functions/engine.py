"""The engine: one class over vLLM's `AsyncLLM`, the same on a CPU and on a GPU.

The engine core runs in a process of its own. When it dies, what was running gets `EngineUnavailable`, and the core
alone is started again; nothing else has to be restarted.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

import structlog

from functions import vllm_adapter, vllm_outputs
from functions.answer_endings import Ending
from functions.engine_telemetry import GenerationTrace
from functions.failures import EngineUnavailable, GenerationTimeout
from functions.generation import (
    CandidateFinished,
    EngineState,
    EngineStatus,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Timing,
    Usage,
)
from functions.warm_up import warm_up_requests
from functions.worker_extension import RESEED
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import EngineSettings

_log = structlog.get_logger()

_RESTART_DELAYS_S = (0.0, 1.0, 5.0, 15.0, 60.0)
_SETTLED_S = 60.0
"""A core that lived this long did not die of how it was started: its restart does not wait."""
_USUAL_START_S = 40.0
"""What a caller is told to wait for as long as no start has been measured."""


class Engine:
    """An `EngineClient` with a life: `start`, `stop`, and, where the settings allow it, `sleep` and `wake`.

    It belongs to the event loop in which it was started.
    """

    def __init__(self, settings: EngineSettings, model_path: Path) -> None:
        self._settings = settings
        self._model_path = model_path
        self._core: vllm_adapter.Core | None = None
        self._state: EngineState = "cold"
        self._detail = ""
        self._life: asyncio.Task[None] | None = None
        self._start_began = 0.0
        self._last_start_s: float | None = None
        self._restarts = 0
        self._numbers = itertools.count()
        self._in_flight: dict[str, int] = {}  # vLLM's id of a request -> how many candidates it writes

    async def start(self) -> None:
        """Start, and return when ready. Raises `EngineUnavailable`; then nothing is left running."""
        if self._life is not None:
            raise RuntimeError("the engine was started already")
        try:
            await self._start_core()
        except Exception as error:
            self._state = "cold"
            raise EngineUnavailable("the engine", f"it did not start: {_said(error)}") from error
        self.start_in_background()

    def start_in_background(self) -> None:
        """Begin to start; `status()` goes from warming to ready. A start that fails is tried again, until `stop`."""
        if self._life is None:
            self._state = "warming" if self._core is None else self._state
            self._life = asyncio.create_task(self._live(), name="engine")

    async def stop(self) -> None:
        """End the core and wait until its process is gone. What is still running gets `EngineUnavailable`."""
        life, self._life = self._life, None
        self._state, self._detail = "cold", "it is stopping"
        await self._abort_all()
        if life is not None:
            life.cancel()
            await asyncio.wait({life})
        await self._end_core()
        self._detail = ""

    async def sleep(self) -> None:
        """Give the GPU's memory back until `wake`; what is running is ended. Nothing happens at `sleep_level` 0."""
        if self._settings.sleep_level and self._core is not None:
            self._state, self._detail = "cold", "it is asleep"
            await self._core.sleep(self._settings.sleep_level)

    async def wake(self) -> None:
        """After `sleep`, or in a restored snapshot of an engine that sleeps. Nothing happens at `sleep_level` 0."""
        if self._settings.sleep_level and self._core is not None:
            await vllm_adapter.wake(self._core, self._settings.sleep_level)
            self._state, self._detail = "ready", ""

    async def reseed(self) -> None:
        """Draw the tokens of requests without a seed as in no other container of the same snapshot."""
        if self._core is not None:
            await self._core.collective_rpc(RESEED)

    async def status(self) -> EngineStatus:
        """See `EngineClient`. `running` and `waiting` count sequences: a request with n candidates is n of them."""
        sequences = sum(self._in_flight.values())
        running = min(sequences, self._settings.max_num_seqs)
        return EngineStatus(
            state="warming" if self._state == "ready" and self._ready_core() is None else self._state,
            model=self._settings.model,
            detail=self._detail,
            running=running,
            waiting=sequences - running,
            last_start_s=self._last_start_s,
            restarts=self._restarts,
        )

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """See `EngineClient`."""
        core = self._ready_core()
        if core is None:
            raise self._unavailable()
        waiting = max(0, sum(self._in_flight.values()) - self._settings.max_num_seqs)
        traced = GenerationTrace(request, self._settings.model, waiting=waiting)
        seen = _Seen()
        try:
            async with contextlib.aclosing(self._events(core, request, seen)) as events:
                async for event in events:
                    self._raise_if_ended_by_us(event)
                    traced.note(event)
                    yield event
        except BaseException as error:
            traced.failed(error)
            raise
        finally:
            traced.end(seen.phases)

    def _raise_if_ended_by_us(self, event: GenerationEvent) -> None:
        if isinstance(event, CandidateFinished) and event.finish_reason == "abort" and self._state != "ready":
            raise self._unavailable()  # it was not the caller who ended it

    async def _events(
        self, core: vllm_adapter.Core, request: GenerationRequest, seen: "_Seen"
    ) -> AsyncGenerator[GenerationEvent, None]:
        began = time.monotonic()
        deadline = asyncio.get_running_loop().time() + request.timeout_s
        request_id = f"{request.id}-{next(self._numbers)}"
        self._in_flight[request_id] = request.sampling.n
        first_token_s: float | None = None
        completion_tokens = cached_tokens = 0
        reasons: dict[int, FinishReason] = {}
        ending = Ending(request.closing)
        limit = self._settings.max_model_len
        try:
            async with asyncio.timeout_at(deadline):
                prompt = await asyncio.to_thread(vllm_adapter.prompt_token_ids, core, request, limit)
            async with contextlib.aclosing(vllm_adapter.outputs(core, request, prompt, request_id, limit)) as outputs:
                while True:
                    # Not around the loop: its body is left at each `yield`, and the consumer's time is not ours to end.
                    async with asyncio.timeout_at(deadline):
                        output = await anext(outputs, None)
                    if output is None:
                        break
                    cached_tokens = max(cached_tokens, output.num_cached_tokens or 0)
                    seen.phases = vllm_outputs.phases(output)
                    for event in ending.taken_off(vllm_outputs.events(output, request.sampling.logprobs)):
                        if isinstance(event, CandidateFinished):
                            reasons[event.index] = event.finish_reason
                            told = {"prompt_tokens": len(prompt), "cached_tokens": cached_tokens}
                            yield event.model_copy(update=told)
                        else:
                            first_token_s = first_token_s or time.monotonic() - began
                            completion_tokens += event.tokens
                            yield event
        except TimeoutError:
            raise GenerationTimeout(request.timeout_s) from None
        except EngineUnavailable as failure:
            _log.warning("generation lost", request_id=request.id, reason=failure.reason)
            if core is self._core and core.errored:
                raise self._unavailable() from failure.__cause__
            raise
        finally:
            del self._in_flight[request_id]
        yield Finished(
            finish_reason=reasons[0],
            usage=Usage(prompt_tokens=len(prompt), cached_tokens=cached_tokens, completion_tokens=completion_tokens),
            timing=Timing(time_to_first_token_s=first_token_s, total_s=time.monotonic() - began),
        )

    def _ready_core(self) -> vllm_adapter.Core | None:
        return self._core if self._state == "ready" and self._core is not None and not self._core.errored else None

    def _unavailable(self) -> EngineUnavailable:
        if self._state == "ready" and self._ready_core() is None:  # `_live` has not had its turn yet
            self._lost()
        reason = self._detail or f"it is {self._state}"
        usual = self._last_start_s or _USUAL_START_S
        left = usual - (time.monotonic() - self._start_began) if self._state == "warming" else usual
        return EngineUnavailable("the engine", reason, retry_after_s=max(1.0, round(left)))

    def _lost(self) -> None:
        self._state, self._detail = "warming", "its process died and is being started again"
        self._start_began = time.monotonic()

    async def _live(self) -> None:
        """Start the core, wait until it dies, and start it again; forever."""
        failures = 0
        while True:
            if self._core is None:
                try:
                    await self._start_core()
                except Exception as error:  # noqa: BLE001 - whatever vLLM raised, it is down and is tried again
                    self._detail = f"it did not start: {_said(error)}"
                    _log.exception("engine did not start", failures=failures)
                    await asyncio.sleep(_RESTART_DELAYS_S[min(failures, len(_RESTART_DELAYS_S) - 1)])
                    failures += 1
                    continue
            if await self._lived_s() > _SETTLED_S:
                failures = 0
            self._lost()
            self._restarts += 1
            _log.error("engine died; starting it again", restarts=self._restarts)
            await self._end_core()
            await asyncio.sleep(_RESTART_DELAYS_S[min(failures, len(_RESTART_DELAYS_S) - 1)])
            failures += 1

    async def _start_core(self) -> None:
        self._state = "warming"
        self._start_began = time.monotonic()
        async with asyncio.timeout(self._settings.startup_timeout_s):
            core = await vllm_adapter.start_core(self._settings, self._model_path)
            try:
                await self._warm_up(core)
            except BaseException:
                await vllm_adapter.end_core(core)
                raise
        self._core = core
        self._last_start_s = round(time.monotonic() - self._start_began, 1)
        self._state, self._detail = "ready", ""
        telemetry.instruments().engine_start.record(self._last_start_s, {names.REQUEST_MODEL: self._settings.model})
        _log.info("engine ready", seconds=self._last_start_s, model=self._settings.model)

    async def _warm_up(self, core: vllm_adapter.Core) -> None:
        for request in warm_up_requests(self._settings.warm_up):
            async for _ in self._events(core, request, _Seen()):
                pass

    async def _lived_s(self) -> float:
        """Wait until the core is lost; how long it lived."""
        began = time.monotonic()
        if self._core is not None:
            await asyncio.wait({self._core.output_handler})
        return time.monotonic() - began

    async def _abort_all(self) -> None:
        """Each stream then sees that it was aborted. Without this, vLLM would leave them waiting for ever."""
        if self._core is not None:
            await self._core.abort(list(self._in_flight))

    async def _end_core(self) -> None:
        core, self._core = self._core, None
        if core is not None:
            await vllm_adapter.end_core(core)


@dataclass
class _Seen:
    """What vLLM said of a generation beside its events."""

    phases: vllm_outputs.Phases | None = None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}".rstrip(": ")
