"""Spans and metrics sent away by OTLP over HTTP, in batches, from threads of their own.

A receiver that is slow, down or wrong costs nobody anything: queues are bounded and drop what does not fit, and what
did not arrive is counted (`lift_sys.telemetry.export_failures`, which arrives when the receiver is back).
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any, Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricExportResult, MetricsData, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.re import parse_env_headers

from infra import telemetry
from infra import telemetry_names as names
from infra.settings import TelemetryExport, TelemetrySettings

_EXPORT_TIMEOUT_S: Final = 5
_FLUSH_S: Final = 5.0
_METRICS_EVERY_MS: Final = 15_000
_SPANS_EVERY_MS: Final = 5_000
_QUEUE: Final = 4096
_BATCH: Final = 512
_NS: Final = 1_000_000_000


@contextmanager
def exported(
    service: str, environment: str, settings: TelemetrySettings, export: TelemetryExport | None
) -> Iterator[None]:
    """Send what this process records while the block runs; what is left is sent at its end, in five seconds at most.

    Without an `export` nothing is recorded, and nothing is started.
    """
    if export is None:
        yield
        return
    # Their complaints that nobody listens would go to stderr; the counter says it.
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())
    address = str(export.otel_exporter_otlp_endpoint).rstrip("/")
    headers = _headers(export)
    resource = Resource.create(
        {
            "service.name": service,
            "service.instance.id": str(uuid.uuid4()),  # sums of several containers are told apart by it
            "deployment.environment.name": environment,
        }
    )
    metric_exporter = _CountingMetricExporter(f"{address}/v1/metrics", headers=headers, timeout=_EXPORT_TIMEOUT_S)
    reader = PeriodicExportingMetricReader(
        metric_exporter, export_interval_millis=_METRICS_EVERY_MS, export_timeout_millis=_EXPORT_TIMEOUT_S * 1000
    )
    meters = MeterProvider(
        [reader], resource=resource, shutdown_on_exit=False, exemplar_filter=AlwaysOffExemplarFilter()
    )
    instruments = telemetry.Instruments(meters.get_meter(names.SCOPE))
    span_exporter = _CountingSpanExporter(f"{address}/v1/traces", headers=headers, timeout=_EXPORT_TIMEOUT_S)
    metric_exporter.failures = span_exporter.failures = instruments.export_failures
    tracers = TracerProvider(sampler=_sampler(settings.sample_ratio), resource=resource, shutdown_on_exit=False)
    processor = BatchSpanProcessor(
        span_exporter, max_queue_size=_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=_SPANS_EVERY_MS
    )
    tracers.add_span_processor(processor)

    def keep(late: telemetry.LateSpan) -> None:
        processor.on_end(_made_late(late, resource))

    telemetry.replace_recorders(
        telemetry.Recorders(
            tracers.get_tracer(names.SCOPE), instruments, settings.record_content, keep, settings.slow_s
        )
    )
    try:
        yield
    finally:
        telemetry.replace_recorders(None)
        _flush({tracers.shutdown: span_exporter, meters.shutdown: metric_exporter})


def _made_late(late: telemetry.LateSpan, resource: Resource) -> ReadableSpan:
    ended = time.time_ns()
    trace_id, flags = int(late.trace_id, 16), TraceFlags(TraceFlags.SAMPLED)
    parent = SpanContext(trace_id, int(late.parent_id, 16), is_remote=True) if late.parent_id else None
    return ReadableSpan(
        late.name,
        SpanContext(trace_id, int(late.span_id, 16), is_remote=False, trace_flags=flags),
        parent,
        resource,
        late.attributes,
        kind=SpanKind.SERVER,
        status=Status(StatusCode.ERROR if late.failed else StatusCode.UNSET),
        start_time=ended - int(late.seconds * _NS),
        end_time=ended,
        instrumentation_scope=InstrumentationScope(names.SCOPE),
    )


class _CountingSpanExporter(OTLPSpanExporter):
    failures: telemetry.Sum | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        if result is not SpanExportResult.SUCCESS and self.failures is not None:
            self.failures.add(len(spans), {names.SIGNAL: "traces"})
        return result


class _CountingMetricExporter(OTLPMetricExporter):
    failures: telemetry.Sum | None = None

    def export(
        self, metrics_data: MetricsData, timeout_millis: float | None = 10_000, **kwargs: Any
    ) -> MetricExportResult:
        result = super().export(metrics_data, timeout_millis, **kwargs)
        if result is not MetricExportResult.SUCCESS and self.failures is not None:
            self.failures.add(1, {names.SIGNAL: "metrics"})
        return result


def _sampler(ratio: float) -> ParentBased:
    """By the trace's id, so that every process decides the same.

    A caller from elsewhere may ask not to be traced; to ask for more than the operator's share is no use.
    """
    by_trace = TraceIdRatioBased(ratio)
    return ParentBased(by_trace, remote_parent_sampled=by_trace)


def _flush(shutdowns: Mapping[Callable[[], object], OTLPSpanExporter | OTLPMetricExporter]) -> None:
    """All at once, and not for ever: an exporter that has not sent all by then is told to give up."""
    threads = {Thread(target=shutdown, daemon=True, name="telemetry-flush"): end for shutdown, end in shutdowns.items()}
    for thread in threads:
        thread.start()
    until = time.monotonic() + _FLUSH_S
    for thread, exporter in threads.items():
        thread.join(max(0.0, until - time.monotonic()))
        if thread.is_alive():
            exporter.shutdown()


def _headers(export: TelemetryExport) -> dict[str, str]:
    if export.otel_exporter_otlp_headers is None:
        return {}
    # Values may be percent-encoded, as the specification of OTEL_EXPORTER_OTLP_HEADERS has it.
    return dict(parse_env_headers(export.otel_exporter_otlp_headers.get_secret_value(), liberal=True))
