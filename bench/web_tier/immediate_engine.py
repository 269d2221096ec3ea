"""An engine that answers at once: what is measured before it is the web tier alone."""

from collections.abc import AsyncGenerator

from opentelemetry.trace import SpanKind

from functions.generation import (
    CandidateFinished,
    Delta,
    EngineStatus,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Timing,
    Usage,
)
from infra import telemetry
from infra import telemetry_names as names

ANSWER = "Blue is the colour of the sky on a clear day."
TOKENS = 11
EVENTS: tuple[GenerationEvent, ...] = (
    Delta(text=ANSWER, tokens=TOKENS),
    CandidateFinished(index=0, finish_reason="stop"),
    Finished(
        finish_reason="stop",
        usage=Usage(prompt_tokens=40, cached_tokens=0, completion_tokens=TOKENS),
        timing=Timing(time_to_first_token_s=0.0, total_s=0.0),
    ),
)
"""Made once: what makes an engine's events is the engine's time, not the web tier's."""


class ImmediateEngine:
    """Traced as the web tier's own part of an engine is (`functions.engine_remote`): the rest is the engine's time."""

    async def generate(
        self,
        request: GenerationRequest,  # noqa: ARG002 - all are answered alike
    ) -> AsyncGenerator[GenerationEvent, None]:
        span = telemetry.tracer().start_span(names.ENGINE_CALL, kind=SpanKind.CLIENT)
        telemetry.traceparent(span if span.is_recording() else None)
        try:
            for event in EVENTS:
                yield event
        finally:
            span.end()

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="immediate")
