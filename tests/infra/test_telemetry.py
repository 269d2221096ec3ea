"""Spans and metrics arrive at a real HTTP receiver, by content; without an export there is nothing to arrive."""

import io
import json
import socket
import threading
import time

import pytest
import structlog
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from infra import telemetry
from infra import telemetry_names as names
from infra.logging_setup import configure_logging
from infra.settings import TelemetrySettings
from infra.telemetry_export import exported
from tests.otlp_receiver import exporting, receiver, values

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


def test_a_span_reaches_the_receiver_as_a_child_of_the_callers():
    with receiver() as received:
        with (
            exporting(received.address, headers="authorization=Basic%20abc=="),
            telemetry.continued(PARENT),
            telemetry.span("chat tiny", {names.USAGE_INPUT_TOKENS: 7}),
        ):
            carried_on = telemetry.traceparent()
        (path, headers, body) = next(request for request in received.bodies if request[0] == "/v1/traces")
    assert path == "/v1/traces"
    assert headers["authorization"] == "Basic abc=="
    (sent,) = ExportTraceServiceRequest.FromString(body).resource_spans
    resource = values(sent.resource.attributes)
    assert resource["service.name"] == "lift-sys-test"
    assert resource["deployment.environment.name"] == "staging"
    assert resource["service.instance.id"]
    span = received.span("chat tiny")
    assert span.trace_id.hex() == TRACE
    assert span.parent_span_id.hex() == PARENT.split("-")[2]
    assert values(span.attributes) == {"gen_ai.usage.input_tokens": 7}
    assert carried_on == f"00-{TRACE}-{span.span_id.hex()}-01"


def test_measurements_arrive_as_histograms_and_counters():
    with receiver() as received:
        with exporting(received.address):
            telemetry.instruments().time_to_first_token.record(0.3, {names.REQUEST_MODEL: "tiny"})
            telemetry.instruments().refusals.add(2, {names.REFUSAL: "rate-limited"})
        (point,) = received.metrics["gen_ai.server.time_to_first_token"].histogram.data_points
        assert (point.count, point.sum) == (1, 0.3)
        assert 0.32 in point.explicit_bounds
        assert received.points("lift_sys.refusals") == [({"lift_sys.refusal": "rate-limited"}, 2)]


def test_a_process_may_export_again_after_it_has_ended():
    for _ in range(2):
        with receiver() as received:
            with exporting(received.address), telemetry.span("job"):
                pass
            assert received.span("job").name == "job"
    with telemetry.span("nowhere") as span:
        assert not span.is_recording()


@pytest.mark.parametrize("refused", [True, False])
def test_a_receiver_that_is_down_or_silent_is_waited_for_by_nobody(*, refused: bool, capfd: pytest.CaptureFixture[str]):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if not refused:
            listener.listen()  # accepts, and never answers
        with exporting(f"http://127.0.0.1:{listener.getsockname()[1]}"):
            began = time.monotonic()
            for _ in range(10_000):  # more than wait at once
                with telemetry.span("lost"):
                    telemetry.instruments().refusals.add(1)
            recorded_s = time.monotonic() - began
            began = time.monotonic()
        assert time.monotonic() - began < 12
    assert recorded_s < 5
    if refused:  # the other one's last request has its time limit
        for thread in [t for t in threading.enumerate() if t.name.startswith(("Otel", "telemetry-flush"))]:
            thread.join(5)
            assert not thread.is_alive(), "nothing goes on trying to reach who has gone"
    assert capfd.readouterr().err == ""


def test_what_did_not_arrive_is_counted_and_the_count_arrives_later():
    with receiver() as received:
        received.status = 400
        with exporting(received.address):
            for _ in range(600):  # a batch is 512
                with telemetry.span("lost"):
                    pass
            until = time.monotonic() + 10
            while received.refused < 1 and time.monotonic() < until:
                time.sleep(0.01)
            received.status = 200
        assert received.points("lift_sys.telemetry.export_failures") == [({"lift_sys.telemetry.signal": "traces"}, 512)]
        assert len(received.spans) == 600 - 512


@pytest.mark.parametrize("sampled_by_caller", [True, False])
def test_the_operators_share_is_not_the_callers_to_raise(*, sampled_by_caller: bool):
    with receiver() as received:
        with exporting(received.address, sample_ratio=0.25):
            for number in range(400):
                trace = f"{number + 1:016x}{number * 2**64 // 400:016x}"
                with telemetry.continued(f"00-{trace}-b7ad6b7169203331-0{int(sampled_by_caller)}"):  # noqa: SIM117
                    with telemetry.span("outer"), telemetry.span("inner"):
                        pass
        outer = [span for span in received.spans if span.name == "outer"]
        assert len(outer) == (100 if sampled_by_caller else 0)
        assert len(received.spans) == 2 * len(outer)


def test_what_went_wrong_is_told_without_its_words():
    with receiver() as received:
        with (
            exporting(received.address),
            pytest.raises(ValueError, match="swordfish"),
            telemetry.span("failing"),
        ):
            raise ValueError("swordfish")
        span = received.span("failing")
        assert span.status.code == span.status.STATUS_CODE_ERROR
        assert values(span.attributes) == {"error.type": "ValueError"}
        assert not span.events
        assert "swordfish" not in received.text


def test_nothing_is_begun_without_an_export():
    settings = TelemetrySettings(record_content=True, sample_ratio=1.0, slow_s=30, export=False)
    with exported("lift-sys", "local", settings, None), telemetry.span("nowhere") as span:
        assert not span.is_recording()
        assert not telemetry.records_content()


def test_a_callers_trace_is_carried_on_without_any_export():
    with telemetry.continued(PARENT), telemetry.span("inside"):
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
    assert line["trace_id"] == TRACE
    assert line["span_id"] == PARENT.split("-")[2]
    assert line["level"] == "info"
