"""OpenTelemetry as the rest of the project uses it: spans, instruments, and W3C trace context in and out of a process.

Nothing here blocks or fails a request. Until `infra.telemetry_export.exported` is entered, spans and measurements go
nowhere and cost next to nothing. Names are in `infra.telemetry_names`.

Exceptions are recorded by the names of their classes: their texts may quote what a caller sent.
"""

from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry import context, trace
from opentelemetry.metrics import Meter, NoOpMeter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from infra import telemetry_names as names

TRACEPARENT: Final = "traceparent"
_W3C: Final = TraceContextTextMapPropagator()

# Seconds. The conventions' own, which end at 82 s; a cold engine takes longer.
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300)
_GENERATION_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300)
_TOKEN_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_START_S: Final = (1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200)
_TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SEQUENCES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Instruments:
    """What is measured, once a process. A histogram's count is the number of what it measures."""

    def __init__(self, meter: Meter) -> None:
        histogram, counter = meter.create_histogram, meter.create_counter
        self.http_duration = histogram(
            names.HTTP_DURATION,
            "s",
            "HTTP requests to their end",
            explicit_bucket_boundaries_advisory=_REQUEST_S,
        )
        self.generation_duration = histogram(
            names.GENERATION_DURATION,
            "s",
            "Generations, queue included",
            explicit_bucket_boundaries_advisory=_GENERATION_S,
        )
        self.time_to_first_token = histogram(
            names.TIME_TO_FIRST_TOKEN, "s", "Until the first token", explicit_bucket_boundaries_advisory=_GENERATION_S
        )
        self.time_per_output_token = histogram(
            names.TIME_PER_OUTPUT_TOKEN, "s", "Each token after the first", explicit_bucket_boundaries_advisory=_TOKEN_S
        )
        self.token_usage = histogram(
            names.TOKEN_USAGE, "{token}", "Tokens read and written", explicit_bucket_boundaries_advisory=_TOKENS
        )
        self.queue_depth = histogram(
            names.QUEUE_DEPTH,
            "{sequence}",
            "Sequences that wait for a place in the batch, seen by each one that arrives",
            explicit_bucket_boundaries_advisory=_SEQUENCES,
        )
        self.engine_start = histogram(
            names.ENGINE_START,
            "s",
            "Starts of an engine: cold ones, and of a core that died",
            explicit_bucket_boundaries_advisory=_START_S,
        )
        self.cost = counter(names.COST, "USD", "Estimated by the price book")
        self.cache_lookups = counter(names.CACHE_LOOKUPS, "{lookup}", "Hits and misses")
        self.prefix_tokens = counter(names.PREFIX_TOKENS, "{token}", "Prompt tokens found in the prefix cache, or not")
        self.refusals = counter(names.REFUSALS, "{request}", "Requests that were answered with a problem, by its kind")
        self.budget_rejections = counter(names.BUDGET_REJECTIONS, "{request}", "Requests beyond a budget")
        self.prompt_outcomes = counter(names.PROMPT_OUTCOMES, "{answer}", "What came of each version of a prompt")
        self.prompt_tokens = histogram(
            names.PROMPT_TOKENS, "{token}", "Tokens written by it", explicit_bucket_boundaries_advisory=_TOKENS
        )
        self.prompt_duration = histogram(
            names.PROMPT_DURATION, "s", "Generation by it", explicit_bucket_boundaries_advisory=_GENERATION_S
        )
        self.export_failures = counter(names.EXPORT_FAILURES, "{item}", "Spans and points that did not arrive")


@dataclass
class Recorders:
    """Where this process records now; `exported` replaces them while it is entered."""

    tracer: trace.Tracer
    instruments: Instruments
    records_content: bool


_SILENT: Final = Recorders(trace.NoOpTracer(), Instruments(NoOpMeter(names.SCOPE)), records_content=False)


class _Process:
    recorders = _SILENT


def replace_recorders(recorders: Recorders | None) -> None:
    """Record there from now on, or nowhere. For `infra.telemetry_export` alone."""
    _Process.recorders = recorders or _SILENT


def tracer() -> trace.Tracer:
    """The tracer of this process. In asynchronous generators use it instead of `span`: they change their context."""
    return _Process.recorders.tracer


def instruments() -> Instruments:
    """The instruments of this process."""
    return _Process.recorders.instruments


def records_content() -> bool:
    """Whether prompts and outputs may be put into spans."""
    return _Process.recorders.records_content


@contextmanager
def span(
    name: str, attributes: Mapping[str, AttributeValue] | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> Iterator[Span]:
    """Run the block in a span, a child of the current one. What the block raises is its `error.type`."""
    recorders = _Process.recorders
    if recorders is _SILENT:
        yield trace.INVALID_SPAN
        return
    started = recorders.tracer.start_span(name, kind=kind, attributes=attributes)
    token = context.attach(trace.set_span_in_context(started))
    try:
        yield started
    except BaseException as error:
        note_error(started, error)
        raise
    finally:
        context.detach(token)
        started.end()


@contextmanager
def within(current: Span) -> Iterator[None]:
    """Make spans that begin in the block children of `current`, which goes on after it."""
    token = context.attach(trace.set_span_in_context(current))
    try:
        yield
    finally:
        context.detach(token)


def known_method(method: str) -> str:
    """An HTTP method as a label: one of those there are, or `_OTHER`, as callers may send any word."""
    return method if method in _METHODS else names.OTHER_METHOD


def error_type(error: BaseException) -> str:
    """An error as a label: its class's name; all ways to go away are one."""
    return names.CANCELLED if isinstance(error, GeneratorExit | CancelledError) else type(error).__name__


def note_error(noted: Span, error: BaseException) -> None:
    """Say on a span what went wrong, by the error's class alone. A cancellation is no error."""
    noted.set_attribute(names.ERROR_TYPE, error_type(error))
    if isinstance(error, Exception):
        noted.set_status(Status(StatusCode.ERROR))


def current_span() -> Span:
    """The span that the caller runs in; one that records nothing where there is none."""
    return trace.get_current_span()


def traceparent(of: Span | None = None) -> str | None:
    """A span, else the current one, as a W3C `traceparent` (https://www.w3.org/TR/trace-context/), for elsewhere."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, trace.set_span_in_context(of) if of is not None else None)
    return carrier.get(TRACEPARENT)


@contextmanager
def continued(parent: str | None) -> Iterator[None]:
    """Make spans that begin in the block children of `parent`, a `traceparent`; a malformed one is ignored."""
    token = context.attach(_W3C.extract({TRACEPARENT: parent} if parent else {}, context.Context()))
    try:
        yield
    finally:
        context.detach(token)
