"""What an engine tells of one generation: a span by the GenAI conventions, its phases as children, and measurements.

Prompts and outputs are in it only where the operator has switched `telemetry.record_content` on.
"""

import json
import time
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from functions.generation import CandidateFinished, Delta, Finished, FinishReason, GenerationEvent, GenerationRequest
from functions.vllm_outputs import Phases
from infra import telemetry
from infra import telemetry_names as names

_MOST_CONTENT: Final = 65_536
"""Characters of one text that a span holds."""
_NS: Final = 1_000_000_000


class GenerationTrace:
    """One generation, from the moment an engine took it: tell it what comes of it, and `end` it, however it ended.

    It is not a context manager over the current context, which an asynchronous generator would leave changed.
    """

    def __init__(self, request: GenerationRequest, model: str, *, waiting: int) -> None:
        operation = names.TEXT_COMPLETION if request.raw else names.CHAT
        self._labels: dict[str, AttributeValue] = {
            names.OPERATION_NAME: operation,
            names.PROVIDER_NAME: names.PROVIDER,
            names.REQUEST_MODEL: model,
        }
        self._request = request
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._last_token = self._began
        self._error: BaseException | None = None
        self._finished: Finished | None = None
        self._reasons: dict[int, FinishReason] = {}
        self._texts: dict[int, str] = {}
        self._with_content = telemetry.records_content()
        self._span = telemetry.tracer().start_span(f"{operation} {model}", kind=SpanKind.SERVER)
        if self._span.is_recording():
            self._describe(waiting)
        telemetry.instruments().queue_depth.record(waiting, self._labels)

    def note(self, event: GenerationEvent) -> None:
        """Count an event of the generation."""
        match event:
            case Delta():
                self._last_token = time.monotonic()
                self._first_token = self._first_token or self._last_token
                if self._with_content:
                    known = self._texts.get(event.index, "")
                    self._texts[event.index] = known + event.text[: max(0, _MOST_CONTENT - len(known))]
            case CandidateFinished(index=index, finish_reason=reason):
                self._reasons[index] = reason
            case Finished():
                self._finished = event

    def failed(self, error: BaseException) -> None:
        """Say what ended it. A consumer that leaves after the last event has not broken anything off."""
        if self._finished is None:
            self._error = error

    def end(self, phases: Phases | None) -> None:
        """Record all of it. `phases` are vLLM's own times, where it came so far."""
        self._measure()
        if not self._span.is_recording():
            return
        if phases is not None:
            self._add_phases(phases)
        if self._error is not None:
            telemetry.note_error(self._span, self._error)
        if self._reasons:
            reasons = [self._reasons[index] for index in sorted(self._reasons)]
            self._span.set_attribute(names.RESPONSE_FINISH_REASONS, reasons)
        if self._first_token is not None:
            self._span.set_attribute(names.TIME_TO_FIRST_TOKEN_S, self._first_token - self._began)
        if self._finished is not None:
            usage = self._finished.usage
            self._span.set_attributes(
                {
                    names.USAGE_INPUT_TOKENS: usage.prompt_tokens,
                    names.USAGE_OUTPUT_TOKENS: usage.completion_tokens,
                    names.CACHED_TOKENS: usage.cached_tokens,
                }
            )
        if self._with_content:
            self._span.set_attribute(names.OUTPUT_MESSAGES, self._output_messages())
        self._span.end()

    def _describe(self, waiting: int) -> None:
        sampling, constraint = self._request.sampling, self._request.constraint
        self._span.set_attributes(
            {
                **self._labels,
                names.RESPONSE_MODEL: self._labels[names.REQUEST_MODEL],
                names.RESPONSE_ID: self._request.id,
                names.REQUEST_MAX_TOKENS: sampling.max_tokens,
                names.REQUEST_TEMPERATURE: sampling.temperature,
                names.REQUEST_TOP_P: sampling.top_p,
                names.REQUEST_CHOICES: sampling.n,
                names.CONSTRAINT_KIND: constraint.kind if constraint else "none",
                names.WAITING: waiting,
            }
        )
        if self._with_content:
            messages = [_message(message.role, message.content) for message in self._request.messages]
            self._span.set_attribute(names.INPUT_MESSAGES, json.dumps(messages, ensure_ascii=False))

    def _measure(self) -> None:
        recorded = telemetry.instruments()
        now = time.monotonic()
        labels = self._labels
        if self._error is not None:
            labels = {**labels, names.ERROR_TYPE: telemetry.error_type(self._error)}
        recorded.generation_duration.record(now - self._began, labels)
        if self._first_token is not None:
            recorded.time_to_first_token.record(self._first_token - self._began, labels)
        if self._finished is None:
            return
        usage = self._finished.usage
        # Candidates of one request are written side by side: each takes its own share of the tokens.
        later = usage.completion_tokens / self._request.sampling.n - 1
        if self._first_token is not None and later > 0:
            recorded.time_per_output_token.record((self._last_token - self._first_token) / later, labels)
        recorded.token_usage.record(usage.prompt_tokens, {**labels, names.TOKEN_TYPE: names.INPUT})
        recorded.token_usage.record(usage.completion_tokens, {**labels, names.TOKEN_TYPE: names.OUTPUT})
        model = {names.REQUEST_MODEL: labels[names.REQUEST_MODEL]}
        recorded.prefix_tokens.add(usage.cached_tokens, {**model, names.HIT: True})
        recorded.prefix_tokens.add(max(0, usage.prompt_tokens - usage.cached_tokens), {**model, names.HIT: False})

    def _add_phases(self, phases: Phases) -> None:
        _child(self._span, names.QUEUE, phases.queued, phases.scheduled)
        _child(self._span, names.PREFILL, phases.scheduled, phases.first_token)
        _child(self._span, names.DECODE, phases.first_token, phases.last_token)

    def _output_messages(self) -> str:
        messages = [
            {**_message("assistant", text), "finish_reason": self._reasons.get(index, "error")}
            for index, text in sorted(self._texts.items())
        ]
        return json.dumps(messages, ensure_ascii=False)


def _message(role: str, text: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": text[:_MOST_CONTENT]}]}


def _child(parent: Span, name: str, began: float, ended: float) -> None:
    """A span of what has been, by monotonic seconds; none of what has not."""
    if not 0 < began <= ended:
        return
    offset = time.time_ns() - int(time.monotonic() * _NS)
    child = telemetry.tracer().start_span(
        name, context=trace.set_span_in_context(parent), start_time=int(began * _NS) + offset
    )
    child.end(int(ended * _NS) + offset)
