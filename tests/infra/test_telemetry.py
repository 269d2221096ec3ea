"""Spans arrive at a real HTTP receiver, by content; without an export there is nothing to arrive."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra import telemetry
from infra.logging_setup import configure_logging

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

# In a process of its own, as a provider is global and set once.
EXPORTING = """
import sys
from infra import telemetry
from infra.settings import TelemetryExport, TelemetrySettings
export = TelemetryExport.model_validate(
    {"otel_exporter_otlp_endpoint": sys.argv[1], "otel_exporter_otlp_headers": "authorization=Basic%20abc=="}
)
settings = TelemetrySettings(record_content=False, sample_ratio=1.0, export=True)
with telemetry.exported("lift-sys-web", "staging", settings, export):
    with telemetry.continued(sys.argv[2]), telemetry.tracer().start_as_current_span("chat tiny") as span:
        span.set_attribute(telemetry.USAGE_INPUT_TOKENS, 7)
        print(telemetry.traceparent())
"""


def test_a_span_reaches_the_collector_as_a_child_of_the_callers():
    with collector() as (address, received):
        printed = run_exporting(address)

    (path, authorization, body), *rest = received
    assert not rest
    assert path == "/v1/traces"
    assert authorization == "Basic abc=="
    (sent,) = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = {attribute.key: attribute.value.string_value for attribute in sent.resource.attributes}
    assert resource["service.name"] == "lift-sys-web"
    assert resource["deployment.environment.name"] == "staging"
    (span,) = sent.scope_spans[0].spans
    assert span.name == "chat tiny"
    assert span.trace_id.hex() == PARENT.split("-")[1]
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert {a.key: a.value.int_value for a in span.attributes} == {"gen_ai.usage.input_tokens": 7}
    assert printed == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-01"


def test_an_unreachable_collector_does_not_keep_a_process_from_ending():
    assert run_exporting("http://127.0.0.1:9").startswith("00-")


def test_a_callers_trace_is_carried_on_without_any_export():
    with telemetry.continued(PARENT):
        assert telemetry.traceparent() == PARENT
    assert telemetry.traceparent() is None


@pytest.mark.parametrize("malformed", [None, "", "00-zz-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_a_malformed_trace_is_ignored(malformed: str | None):
    with telemetry.continued(malformed):
        assert telemetry.traceparent() is None


def test_a_log_line_is_one_json_object_with_its_trace():
    written = io.StringIO()
    configured = structlog.get_config()
    try:
        configure_logging(written)
        with telemetry.continued(PARENT), structlog.contextvars.bound_contextvars(request_id="r-1"):
            structlog.get_logger().info("admitted", tokens=3)
    finally:
        structlog.configure(**configured)
    line = json.loads(written.getvalue())
    assert line["event"] == "admitted"
    assert line["request_id"] == "r-1"
    assert line["trace_id"] == PARENT.split("-")[1]
    assert line["level"] == "info"


def run_exporting(address: str) -> str:
    finished = subprocess.run(  # noqa: S603 - this interpreter, a fixed program
        [sys.executable, "-c", EXPORTING, address, PARENT], capture_output=True, text=True, check=True, timeout=60
    )
    return finished.stdout.strip()


@contextmanager
def collector() -> Iterator[tuple[str, list[tuple[str, str | None, bytes]]]]:
    received: list[tuple[str, str | None, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, self.headers["authorization"], body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
