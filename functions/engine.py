"""The engine: one class over vLLM's `AsyncLLM`, the same on a CPU and on a GPU.

The engine core runs in a process of its own. When it dies, what was running gets `EngineUnavailable`, and the core
alone is started again; nothing else has to be restarted.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator
from pathlib import Path

import structlog

from functions import vllm_adapter
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
from infra.settings import EngineSettings, apply_process_environment

_logger = structlog.get_logger()

_RESTART_DELAYS_S = (0.0, 1.0, 5.0, 15.0, 60.0)
_WATCH_INTERVAL_S = 0.25
_USUAL_START_S = 40.0  # what a caller is told to wait when no start has been measured yet


class Engine:
    """An `EngineClient` with a life: `start`, `stop`, and, where the settings allow it, `sleep` and `wake`."""

    def __init__(self, settings: EngineSettings, model_path: Path) -> None:
        self._settings = settings
        self._model_path = model_path
        self._core: vllm_adapter.Core | None = None
        self._state: EngineState = "cold"
        self._detail = ""
        self._life: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._start_began = 0.0
        self._last_start_s: float | None = None
        self._restarts = 0
        self._running = 0

    def start_in_background(self) -> None:
        """Begin to start; `status()` goes from warming to ready. A start that fails is tried again."""
        if self._life is None:
            self._life = asyncio.create_task(self._live(), name="engine")

    async def start(self) -> None:
        """Start, and return when ready. Raises `EngineUnavailable` after `startup_timeout_s`."""
        self.start_in_background()
        try:
            async with asyncio.timeout(self._settings.startup_timeout_s):
                await self._ready.wait()
        except TimeoutError:
            raise self._unavailable() from None

    async def stop(self) -> None:
        """End the core and wait until its process is gone."""
        life, self._life = self._life, None
        if life is not None:
            life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await life
        await self._end_core()
        self._state = "cold"

    async def sleep(self) -> None:
        """Give the GPU's memory back; `wake` takes it again. Nothing happens at `sleep_level` 0."""
        if self._settings.sleep_level and self._core is not None:
            await self._core.sleep(level=self._settings.sleep_level)

    async def wake(self) -> None:
        """After `sleep`, or after a restored snapshot."""
        if self._settings.sleep_level and self._core is not None:
            await self._core.wake_up()

    async def status(self) -> EngineStatus:
        """See `EngineClient`."""
        return EngineStatus(
            state=self._state,
            model=self._settings.model,
            detail=self._detail,
            running=min(self._running, self._settings.max_num_seqs),
            waiting=max(0, self._running - self._settings.max_num_seqs),
            last_start_s=self._last_start_s,
            restarts=self._restarts,
        )

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        """See `EngineClient`."""
        if self._core is None or self._state != "ready" or self._core.errored:
            raise self._unavailable()
        async for event in self._events(self._core, request):
            yield event

    async def _events(
        self, core: vllm_adapter.Core, request: GenerationRequest
    ) -> AsyncGenerator[GenerationEvent, None]:
        began = time.monotonic()
        ids = vllm_adapter.prompt_token_ids(core, request, self._settings.max_model_len)
        room = self._settings.max_model_len - len(ids)
        params = vllm_adapter.sampling_params(request.sampling, request.constraint, room)
        first_token_s: float | None = None
        completion_tokens = cached_tokens = 0
        reasons: dict[int, FinishReason] = {}
        self._running += 1
        outputs = core.generate({"prompt_token_ids": ids}, params, request.id)
        try:
            async with asyncio.timeout(request.timeout_s), contextlib.aclosing(outputs):
                async for output in outputs:
                    cached_tokens = max(cached_tokens, output.num_cached_tokens or 0)
                    for candidate in output.outputs:
                        delta = vllm_adapter.delta(candidate)
                        if delta is not None:
                            if first_token_s is None:
                                first_token_s = time.monotonic() - began
                            completion_tokens += delta.tokens
                            yield delta
                        if candidate.finish_reason is not None:
                            reason = vllm_adapter.finish_reason(candidate.finish_reason)
                            reasons[candidate.index] = reason
                            yield CandidateFinished(index=candidate.index, finish_reason=reason)
        except TimeoutError:
            raise GenerationTimeout(request.timeout_s) from None
        except vllm_adapter.dead_errors() as error:
            if core.errored:
                self._fail("the engine's process has died and is being started again")
            raise self._unavailable() from error
        finally:
            self._running -= 1
        yield Finished(
            finish_reason=reasons.get(0, "abort"),
            usage=Usage(prompt_tokens=len(ids), cached_tokens=cached_tokens, completion_tokens=completion_tokens),
            timing=Timing(time_to_first_token_s=first_token_s, total_s=time.monotonic() - began),
        )

    def _fail(self, detail: str) -> None:
        self._state, self._detail = "warming", detail
        self._start_began = time.monotonic()

    async def _live(self) -> None:
        """Start the core, watch it, and start it again when it has died."""
        failures = 0
        while True:
            try:
                await self._start_core()
            except Exception as error:  # whatever vLLM raises, the engine is down and is tried again
                self._detail = f"the engine did not start ({type(error).__name__})"
                _logger.exception("engine start failed", failures=failures)
            else:
                failures = 0
                await self._until_dead()
                self._ready.clear()
                self._restarts += 1
                _logger.warning("engine core died; starting it again", restarts=self._restarts)
            self._state = "warming"
            await self._end_core()
            await asyncio.sleep(_RESTART_DELAYS_S[min(failures, len(_RESTART_DELAYS_S) - 1)])
            failures += 1

    async def _start_core(self) -> None:
        self._state = "warming"
        self._start_began = time.monotonic()
        apply_process_environment(self._settings.process_environment)
        core = await asyncio.to_thread(vllm_adapter.start_core, self._settings, self._model_path)
        self._core = core
        for request in warm_up_requests():
            async for _ in self._events(core, request):
                pass
        self._last_start_s = time.monotonic() - self._start_began
        self._state, self._detail = "ready", ""
        self._ready.set()
        _logger.info("engine ready", seconds=round(self._last_start_s, 1), model=self._settings.model)

    async def _until_dead(self) -> None:
        while self._core is not None and not self._core.errored:  # noqa: ASYNC110 - vLLM has no event for it
            await asyncio.sleep(_WATCH_INTERVAL_S)

    async def _end_core(self) -> None:
        core, self._core = self._core, None
        if core is not None:
            await asyncio.to_thread(core.shutdown)

    def _unavailable(self) -> EngineUnavailable:
        usual = self._last_start_s or _USUAL_START_S
        left = usual - (time.monotonic() - self._start_began)
        reason = self._detail or f"it is {self._state}"
        return EngineUnavailable("the engine", reason, retry_after_s=max(1.0, round(left)))
