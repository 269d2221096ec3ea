"""May this cost money? Asked before the work; what it did cost is told after it, however it ended."""

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict

from starlette.requests import Request

from endpoints.admitted_work import let_begin
from endpoints.answer_caching import AnswerCaching
from endpoints.rate_limit_headers import counted
from endpoints.services import Services
from endpoints.trace_context import TraceContext
from functions import costs
from functions.callers import Caller
from functions.failures import Conflict, Failure, Forbidden, NotFound, PromptTooLong, Refused, StaleVersion, Unavailable
from functions.generation import Delta, Finished, FinishReason, GenerationEvent, Timing, Usage
from functions.ledger import Outcome, RateState, Work
from functions.prompt_uses import PromptUse, noting_prompts
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import Settings

CALLERS_OWN = (Refused, PromptTooLong, NotFound, StaleVersion, Conflict, Forbidden)
"""Ends that come of what the caller asked for, or of what others do to it meanwhile (`private.is_fault` knows them)."""

EXPENSIVE_GENERATIONS = 4
"""A request that may take more generations than these is one of the most expensive, and limited by the hour too."""
MARGIN_S = 60
"""What a request may take beside its generations: after that its server is taken for dead."""

NOTHING = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)


class Admission:
    """Work that has been admitted, and what it has used so far. `limits`: what is left of the caller's rates.

    What `answers` has is given from there, and costs no tokens. `prompts` grow while it goes on.
    """

    def __init__(
        self,
        settings: Settings,
        answers: AnswerCaching,
        limits: tuple[RateState, ...] = (),
        *,
        prompts: Sequence[PromptUse] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limits = limits
        self.answers = answers
        self._settings = settings
        self._prompts = prompts
        self._clock = clock
        self._began = clock()
        self._usage = NOTHING
        self._engine_seconds = 0.0
        self._sandbox_seconds = 0.0
        self._tokens_under_way = 0
        self._first_token_s: float | None = None
        self._finish_reason: FinishReason = "abort"
        self._session_id: str | None = None

    @property
    def cost_usd(self) -> float:
        """What has been used, by the price book."""
        return self._cost_usd(self._engine_seconds)

    def about_session(self, session_id: str) -> None:
        """The session that the work is for."""
        self._session_id = session_id

    def note(self, event: GenerationEvent) -> None:
        """Count an engine's event. Of a generation that never finishes, what it was seen to write is counted."""
        match event:
            case Delta(tokens=tokens):
                self._tokens_under_way += tokens
                if self._first_token_s is None:
                    self._first_token_s = self._clock() - self._began
            case Finished(usage=usage, timing=timing, finish_reason=reason):
                self._tokens_under_way = 0
                self.used(usage, timing, reason)

    def note_found(self, event: GenerationEvent) -> None:
        """See an event of an answer that was kept: it has been paid for."""
        if self._first_token_s is None:
            self._first_token_s = self._clock() - self._began
        if isinstance(event, Finished):
            self._finish_reason = event.finish_reason

    def used(self, usage: Usage, timing: Timing, finish_reason: FinishReason = "stop") -> None:
        """Add what one step has used."""
        self._usage = Usage(
            prompt_tokens=self._usage.prompt_tokens + usage.prompt_tokens,
            cached_tokens=self._usage.cached_tokens + usage.cached_tokens,
            completion_tokens=self._usage.completion_tokens + usage.completion_tokens,
        )
        self._engine_seconds += timing.total_s
        self._sandbox_seconds += timing.sandbox_s
        if self._first_token_s is None:
            self._first_token_s = timing.time_to_first_token_s
        self._finish_reason = finish_reason

    def is_free(self, failure: Failure) -> bool:
        """Does it cost nothing? What one of our own parts broke off; the caller's own end, before anything was used."""
        return isinstance(failure, Unavailable) or (isinstance(failure, CALLERS_OWN) and not self._has_used)

    @property
    def _has_used(self) -> bool:
        return self._usage != NOTHING or self._tokens_under_way > 0

    def outcome(self, error: BaseException | None) -> Outcome:
        """What the ledger is told. Work that failed is charged for the time that it took: it held an engine."""
        latency_s = self._clock() - self._began
        engine_seconds = self._engine_seconds if error is None else max(self._engine_seconds, latency_s)
        return Outcome(
            prompt_tokens=self._usage.prompt_tokens,
            cached_tokens=self._usage.cached_tokens,
            completion_tokens=self._usage.completion_tokens + self._tokens_under_way,
            gpu_seconds=engine_seconds,
            cost_usd=self._cost_usd(engine_seconds),
            latency_s=latency_s,
            time_to_first_token_s=self._first_token_s,
            finish_reason=self._finish_reason if error is None else "abort",
            cache_hit=self.answers.is_hit,
            error=_name(error),
            session_id=self._session_id,
            prompts=tuple(asdict(use) for use in self._prompts),
        )

    def _cost_usd(self, engine_seconds: float) -> float:
        """The web tier's part grows until the work ends: what an answer says of itself lacks its last moments."""
        cpu_seconds = costs.web_cpu_seconds(self._settings, self._clock() - self._began)
        return costs.cost_usd(
            self._settings, engine_seconds, cpu_seconds=cpu_seconds, sandbox_seconds=self._sandbox_seconds
        )


@asynccontextmanager
async def admitted(
    app: Services,
    request: Request,
    caller: Caller,
    *,
    endpoint: str,
    max_tokens: int | None = None,
    generations: int = 1,
) -> AsyncIterator[Admission]:
    """Let the work begin, with its estimate reserved, or raise why not; tell the ledger how it ended, in any case.

    Raises `RateLimited`, `BudgetExceeded`, and `DatabaseUnavailable`: what cannot be accounted for is not done.
    """
    work = _work(app.settings, request, endpoint, max_tokens or app.settings.generation.max_tokens, generations)
    with telemetry.span(names.ADMISSION, {names.ENDPOINT: endpoint}):
        admitting = await let_begin(app, request, caller, work)
    counted(request, admitting.limits)
    answers = AnswerCaching(app.answer_cache, caller, request)
    with noting_prompts() as prompts:
        admission = Admission(app.settings, answers, admitting.limits, prompts=prompts)
        try:
            yield admission
        except BaseException as error:
            if isinstance(error, Failure) and admission.is_free(error):
                await admitting.release(_name(error))
            else:
                await admitting.settle(_measured(admission.outcome(error), work))
            raise
    await admitting.settle(_measured(admission.outcome(None), work))


def _measured(outcome: Outcome, work: Work) -> Outcome:
    telemetry.current_span().set_attribute(names.COST_USD, outcome.cost_usd)
    telemetry.instruments().cost.add(outcome.cost_usd, {names.ENDPOINT: work.endpoint, names.REQUEST_MODEL: work.model})
    return outcome


def _name(error: BaseException | None) -> str | None:
    """What the ledger knows an end by; None where it was well, or the caller went away."""
    if isinstance(error, Failure):
        return type(error).__name__
    return "UnexpectedError" if isinstance(error, Exception) else None


def _work(settings: Settings, request: Request, endpoint: str, max_tokens: int, generations: int) -> Work:
    trace: TraceContext | None = getattr(request.state, "trace", None)
    return Work(
        endpoint=endpoint,
        environment=settings.environment,
        model=settings.engine.model,
        gpu=costs.gpu_of(settings),
        estimated_usd=costs.estimate_usd(settings, max_tokens, generations),
        expensive=generations > EXPENSIVE_GENERATIONS,
        expires_in_s=settings.generation.timeout_s * generations + MARGIN_S,
        trace_id=trace.trace_id if trace else None,
    )
