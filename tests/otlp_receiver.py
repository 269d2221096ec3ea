"""An OTLP receiver on loopback, of the protocol's own message classes: what a backend would be sent, by content."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import HttpUrl, SecretStr

from infra.settings import TelemetryExport, TelemetrySettings
from infra.telemetry_export import exported


@dataclass
class Received:
    """Requests, as they came; `status` is answered to the next ones; other than 200 are only counted."""

    address: str = ""
    status: int = 200
    refused: int = 0
    bodies: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def spans(self) -> list[Span]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, _, body in self.bodies if path == "/v1/traces"]
        return [s for request in requests for r in request.resource_spans for o in r.scope_spans for s in o.spans]

    @property
    def metrics(self) -> dict[str, Metric]:
        """By name, of the last request that has it: sums are cumulative."""
        requests = [
            ExportMetricsServiceRequest.FromString(body) for path, _, body in self.bodies if path == "/v1/metrics"
        ]
        found = [
            m for request in requests for r in request.resource_metrics for o in r.scope_metrics for m in o.metrics
        ]
        return {metric.name: metric for metric in found}

    def span(self, name: str) -> Span:
        """The only one of that name."""
        (found,) = [span for span in self.spans if span.name == name]
        return found

    def children(self, parent: Span) -> list[str]:
        spans = [span for span in self.spans if span.parent_span_id == parent.span_id]
        return [span.name for span in sorted(spans, key=lambda span: span.start_time_unix_nano)]

    def points(self, name: str) -> list[tuple[dict[str, Any], float]]:
        """Labels with the count of a histogram's point, or a counter's value."""
        metric = self.metrics[name]
        if metric.HasField("histogram"):
            return [(values(point.attributes), float(point.count)) for point in metric.histogram.data_points]
        return [(values(point.attributes), point.as_double or float(point.as_int)) for point in metric.sum.data_points]

    @property
    def text(self) -> str:
        """All that came, for what must not be in it."""
        return "".join(body.decode("utf-8", errors="replace") for _, _, body in self.bodies)


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as a mapping."""
    return {attribute.key: _value(attribute) for attribute in attributes}


def _value(attribute: KeyValue) -> Any:
    kind = attribute.value.WhichOneof("value")
    if kind == "array_value":
        return [item.string_value for item in attribute.value.array_value.values]
    return getattr(attribute.value, kind) if kind else None


@contextmanager
def receiver() -> Iterator[Received]:
    received = Received()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            if received.status == 200:
                received.bodies.append((self.path, headers, body))
            else:
                received.refused += 1
            self.send_response(received.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    received.address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def exporting(
    address: str, *, sample_ratio: float = 1.0, record_content: bool = False, headers: str | None = None
) -> Iterator[None]:
    """This process sends to `address` while the block runs, and has sent all of it after."""
    settings = TelemetrySettings(record_content=record_content, sample_ratio=sample_ratio, slow_s=30, export=True)
    export = TelemetryExport(
        otel_exporter_otlp_endpoint=HttpUrl(address),
        otel_exporter_otlp_headers=SecretStr(headers) if headers else None,
    )
    with exported("lift-sys-test", "staging", settings, export):
        yield
