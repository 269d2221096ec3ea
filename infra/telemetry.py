"""OpenTelemetry: its set-up, every attribute name, and W3C trace context in and out of a process.

Nothing here blocks or fails a request: spans go through a bounded queue that drops when it is full, a thread sends
them in batches, and where no export is configured, no provider is installed and a span costs next to nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.re import parse_env_headers

from infra.settings import TelemetryExport, TelemetrySettings

TRACEPARENT: Final = "traceparent"

# Names of the GenAI semantic conventions, which are still in development and move between releases: only here.
OPERATION_NAME: Final = "gen_ai.operation.name"
PROVIDER_NAME: Final = "gen_ai.provider.name"
REQUEST_MODEL: Final = "gen_ai.request.model"
REQUEST_MAX_TOKENS: Final = "gen_ai.request.max_tokens"
REQUEST_TEMPERATURE: Final = "gen_ai.request.temperature"
RESPONSE_FINISH_REASONS: Final = "gen_ai.response.finish_reasons"
USAGE_INPUT_TOKENS: Final = "gen_ai.usage.input_tokens"
USAGE_OUTPUT_TOKENS: Final = "gen_ai.usage.output_tokens"
# Our own, under one prefix.
CONSTRAINT_KIND: Final = "lift_sys.constraint.kind"
CACHED_TOKENS: Final = "lift_sys.usage.cached_tokens"
TIME_TO_FIRST_TOKEN_S: Final = "lift_sys.time_to_first_token_s"  # noqa: S105 - a name, no password

_EXPORT_TIMEOUT_S: Final = 5
_W3C: Final = TraceContextTextMapPropagator()


@contextmanager
def exported(
    service: str, environment: str, settings: TelemetrySettings, export: TelemetryExport | None
) -> Iterator[None]:
    """Send the spans of this process by OTLP over HTTP while the block runs; what is left is sent at its end.

    Leaving the block takes a few seconds at most, also where nobody listens. Once a process: OpenTelemetry's provider
    is global.
    """
    if export is None:
        yield
        return
    provider = TracerProvider(
        sampler=ParentBased(TraceIdRatioBased(settings.sample_ratio)),
        resource=Resource.create({"service.name": service, "deployment.environment.name": environment}),
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(
        endpoint=f"{str(export.otel_exporter_otlp_endpoint).rstrip('/')}/v1/traces",
        headers=_headers(export),
        timeout=_EXPORT_TIMEOUT_S,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


def tracer() -> trace.Tracer:
    """The tracer of this project. Its spans go nowhere until `exported` is entered."""
    return trace.get_tracer("lift_sys")


def traceparent() -> str | None:
    """The current span as a W3C `traceparent` (https://www.w3.org/TR/trace-context/), to hand to another process."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier)
    return carrier.get(TRACEPARENT)


@contextmanager
def continued(parent: str | None) -> Iterator[None]:
    """Make spans that begin in the block children of `parent`, a `traceparent`; a malformed one is ignored."""
    token = context.attach(_W3C.extract({TRACEPARENT: parent} if parent else {}))
    try:
        yield
    finally:
        context.detach(token)


def _headers(export: TelemetryExport) -> dict[str, str]:
    if export.otel_exporter_otlp_headers is None:
        return {}
    # Values may be percent-encoded, as the specification of OTEL_EXPORTER_OTLP_HEADERS has it.
    return dict(parse_env_headers(export.otel_exporter_otlp_headers.get_secret_value(), liberal=True))
