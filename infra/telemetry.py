"""OpenTelemetry as the rest of the project uses it: spans, instruments, and W3C trace context in and out of a process.

Nothing here blocks or fails a request. Until `infra.telemetry_export.exported` is entered, spans and measurements go
nowhere and cost next to nothing. Names are in `infra.telemetry_names`.

Exceptions are recorded by the names of their classes: their texts may quote what a caller sent.
"""

from asyncio import CancelledError
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Final

from opentelemetry import context, trace
from opentelemetry.metrics import CallbackOptions, Meter, NoOpMeter, Observation
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from infra import telemetry_names as names

TRACEPARENT: Final = "traceparent"
_W3C: Final = TraceContextTextMapPropagator()
_NO_SPAN: Final = nullcontext(trace.INVALID_SPAN)

# Seconds. The conventions' own, which end at 82 s; a cold engine takes longer.
_REQUEST_S: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300)
_GENERATION_S: Final = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 300)
_TOKEN_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5)
_START_S: Final = (1, 2, 5, 10, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200)
_TOKENS: Final = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144)
_METHODS: Final = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_SEQUENCES: Final = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Sum:
    """A counter that is added up here and read when it is sent: a fifth of what the SDK's own costs each time."""

    def __init__(self, meter: Meter, name: str, unit: str, description: str) -> None:
        self._lock = Lock()
        self._sums: dict[frozenset[tuple[str, AttributeValue]], float] = {}
        meter.create_observable_counter(name, [self._observe], unit, description)

    def add(self, amount: float, attributes: Mapping[str, AttributeValue] | None = None) -> None:
        """From any thread. Attributes are labels: few, and each of a closed set of values."""
        key = frozenset(attributes.items()) if attributes else frozenset()
        with self._lock:
            self._sums[key] = self._sums.get(key, 0) + amount

    def _observe(self, _options: CallbackOptions) -> list[Observation]:
        with self._lock:
            return [Observation(total, dict(key)) for key, total in self._sums.items()]


@dataclass(frozen=True)
class LateSpan:
    """A request's span that is made when it has ended: its trace was not sampled, and yet it should be seen."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    seconds: float
    attributes: Mapping[str, AttributeValue]
    failed: bool


class Instruments:
    """What is measured, once a process. A histogram's count is the number of what it measures."""

    def __init__(self, meter: Meter) -> None:
        histogram, counter = meter.create_histogram, partial(Sum, meter)
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
    keep: Callable[[LateSpan], None] | None = None
    """Sends a span that no tracer has made."""
    slow_s: float = float("inf")


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


def slow_s() -> float:
    """Requests that take longer are seen, whether sampled or not."""
    return _Process.recorders.slow_s


def keep(late: LateSpan) -> None:
    """Send it, where anything is sent."""
    if _Process.recorders.keep is not None:
        _Process.recorders.keep(late)


def span(
    name: str, attributes: Mapping[str, AttributeValue] | None = None, *, kind: SpanKind = SpanKind.INTERNAL
) -> AbstractContextManager[Span]:
    """Run the block in a span, a child of the current one. What the block raises is its `error.type`."""
    recorders = _Process.recorders
    if recorders is _SILENT or _is_unsampled(trace.get_current_span()):
        return _NO_SPAN
    return _recorded(recorders.tracer, name, attributes, kind)


@contextmanager
def _recorded(
    tracer_: trace.Tracer, name: str, attributes: Mapping[str, AttributeValue] | None, kind: SpanKind
) -> Iterator[Span]:
    started = tracer_.start_span(name, kind=kind, attributes=attributes)
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


def _is_unsampled(current: Span) -> bool:
    """Whether what is inside would not be recorded either, so that no span need be made to find out."""
    place = current.get_span_context()
    return place.is_valid and not place.trace_flags.sampled


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
    token = context.attach(_W3C.extract({TRACEPARENT: parent}, context.Context()) if parent else context.Context())
    try:
        yield
    finally:
        context.detach(token)


@contextmanager
def carrying(trace_id: str, span_id: str, *, sampled: bool) -> Iterator[None]:
    """As `continued`, of ids that this process has made itself."""
    flags = TraceFlags(TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT)
    place = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=flags)
    token = context.attach(trace.set_span_in_context(NonRecordingSpan(place), context.Context()))
    try:
        yield
    finally:
        context.detach(token)
