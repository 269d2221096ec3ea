"""One trace for a request, through every part to the database; and nothing in it that is private."""

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import structlog

from functions.engine import Engine
from functions.event_batches import RemoteGeneration, run_generation
from functions.generation import GenerationRequest, Message, Sampling
from functions.ir import IntermediateRepresentation
from infra import telemetry
from infra.logging_setup import configure_logging
from tests.endpoints.conftest import Web
from tests.otlp_receiver import exporting, receiver, values

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"
CANARY = "xyzzy-canary"


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[None]:
    configured = structlog.get_config()
    try:
        configure_logging(stream)
        yield
    finally:
        structlog.configure(**configured)


async def test_what_fails_is_seen_although_its_trace_was_not_sampled(web: Web):
    _, client = await web.user_client()
    unwanted = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-00"}
    with receiver() as received:
        with exporting(received.address, sample_ratio=0):
            failed = await client.post("/api/generate", json={"prompt": "Name a colour."})
            await client.get("/health")
            await client.post("/api/generate", json={"prompt": "Name a colour."}, headers=unwanted)
            await web.services.afterwards.close()
        assert failed.status_code == 503
        (span,) = received.spans
    assert span.name == "POST /api/generate"
    assert failed.headers["traceparent"] == f"00-{span.trace_id.hex()}-{span.span_id.hex()}-00"
    assert values(span.attributes)["http.response.status_code"] == 503
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert span.start_time_unix_nano < span.end_time_unix_nano


async def test_a_generation_is_one_trace_through_all_of_its_parts(web_with_engine: Web):
    _, client = await web_with_engine.user_client()
    body = {"prompt": "Name a colour.", "choice": ["red", "green"], "max_tokens": 8, "temperature": 0}
    with receiver() as received:
        with exporting(received.address):
            answered = await client.post("/api/generate", json=body, headers={"traceparent": PARENT})
            await web_with_engine.services.afterwards.close()
        assert answered.status_code == 200
        assert {span.trace_id.hex() for span in received.spans} == {TRACE}
        server = received.span("POST /api/generate")
        assert server.parent_span_id.hex() == PARENT.split("-")[2]
        assert answered.headers["traceparent"] == f"00-{TRACE}-{server.span_id.hex()}-01"
        attributes = values(server.attributes)
        assert attributes["http.route"] == "/api/generate"
        assert attributes["http.response.status_code"] == 200
        assert attributes["lift_sys.cost_usd"] >= 0
        model = web_with_engine.services.settings.engine.model
        inside = received.children(server)
        assert [name for name in inside if name in ("admission", "validate constraint", f"chat {model}", "settle")] == [
            "admission",
            "validate constraint",
            f"chat {model}",
            "settle",
        ]
        assert received.children(received.span("admission")) == ["admit"]
        assert values(received.span("admit").attributes)["db.system.name"] == "postgresql"
        generation = received.span(f"chat {model}")
        assert received.children(generation) == ["queue", "prefill", "decode"]
        used = answered.json()["usage"]
        told = values(generation.attributes)
        assert told["gen_ai.operation.name"] == "chat"
        assert told["gen_ai.usage.input_tokens"] == used["prompt_tokens"]
        assert told["gen_ai.usage.output_tokens"] == used["completion_tokens"]
        assert told["gen_ai.response.finish_reasons"] == ["stop"]
        assert told["lift_sys.constraint.kind"] == "choice"
        for child in ("queue", "prefill", "decode"):
            phase = received.span(child)
            assert generation.start_time_unix_nano <= phase.start_time_unix_nano + 5_000_000
            assert phase.end_time_unix_nano <= generation.end_time_unix_nano + 5_000_000

        labels = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "lift_sys", "gen_ai.request.model": model}
        assert received.points("gen_ai.server.request.duration") == [(labels, 1)]
        assert received.points("gen_ai.server.time_to_first_token") == [(labels, 1)]
        assert received.points("lift_sys.engine.queue_depth") == [(labels, 1)]
        tokens = received.metrics["gen_ai.client.token.usage"].histogram.data_points
        assert {values(point.attributes)["gen_ai.token.type"]: point.sum for point in tokens} == {
            "input": used["prompt_tokens"],
            "output": used["completion_tokens"],
        }
        ((duration_labels, count),) = received.points("http.server.request.duration")
        assert (duration_labels["http.route"], count) == ("/api/generate", 1)


async def test_an_engine_elsewhere_goes_on_with_the_trace_it_is_handed(engine: Engine):
    request = GenerationRequest(
        id="g-1", messages=(Message(role="user", content="Hello"),), sampling=Sampling(max_tokens=4, temperature=0)
    )
    sent = RemoteGeneration(request=request, start_by=2**40, finish_by=2**40, traceparent=PARENT)
    with receiver() as received:
        with exporting(received.address):
            async for _ in run_generation(engine, sent.model_dump_json(), "call-1"):
                pass
        (generation,) = [span for span in received.spans if span.name.startswith("chat ")]
        assert generation.trace_id.hex() == TRACE
        assert generation.parent_span_id.hex() == PARENT.split("-")[2]


async def test_code_that_is_run_is_in_the_trace_with_how_it_ended(web_with_engine: Web):
    ir = {
        "intent": {"summary": "Return the argument plus one."},
        "signature": {"name": "next_one", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
        "examples": [{"arguments": ["1"], "result": "2"}],
    }
    parsed = IntermediateRepresentation.model_validate(ir)
    services = web_with_engine.services
    with receiver() as received:
        with exporting(received.address), telemetry.span("request"):
            await services.forward.implement(parsed, repairs=0)
        parent = received.span("request")
        assert {"compile constraints", "verify"} <= set(received.children(parent))
        assert {span.trace_id for span in received.spans} == {parent.trace_id}


@pytest.mark.parametrize("record_content", [False, True])
async def test_prompts_and_outputs_are_told_only_when_they_may_be(web_with_engine: Web, *, record_content: bool):
    _, client = await web_with_engine.user_client()
    body = {"prompt": f"Say {CANARY}.", "choice": ["blurb"], "max_tokens": 8}
    with receiver() as received:
        with exporting(received.address, record_content=record_content):
            answered = await client.post("/api/generate", json=body)
        assert answered.json()["text"] == "blurb"
        assert (CANARY in received.text) == record_content
        assert ("blurb" in received.text) == record_content
        if record_content:
            (generation,) = [span for span in received.spans if span.name.startswith("chat ")]
            told = values(generation.attributes)
            assert json.loads(told["gen_ai.input.messages"]) == [
                {"role": "user", "parts": [{"type": "text", "content": f"Say {CANARY}."}]}
            ]
            assert json.loads(told["gen_ai.output.messages"]) == [
                {"role": "assistant", "parts": [{"type": "text", "content": "blurb"}], "finish_reason": "stop"}
            ]


async def test_no_secret_and_no_word_of_a_caller_leaves_by_spans_metrics_or_logs(web: Web):
    user, client = await web.user_client()
    written = io.StringIO()
    private = f"{CANARY}-{user.email}"
    schema = {"type": "object", "properties": {CANARY: {"type": CANARY}}}
    with receiver() as received:
        with exporting(received.address), logging_to(written):
            session = await client.post("/api/sessions", json={"prompt": private, "ir": {CANARY: CANARY}})
            await client.post("/api/generate", json={"prompt": private, "json_schema": schema})
            await client.post("/api/generate", json={"prompt": private, "regex": f"({CANARY}"})
            await client.post("/api/generate", json={"prompt": private})
            await client.post("/api/check", json={"code": f"{CANARY} = (", "constraints": [{"description": CANARY}]})
            await client.get(f"/{CANARY}", params={"q": CANARY}, headers={"x-api-key": CANARY, "cookie": CANARY})
            await client.request("XYZZY-CANARY", "/")
            await client.get("/api/sessions", headers={"authorization": f"Bearer {CANARY}"})
            await client.get("/api/sessions")
            await web.services.afterwards.close()
        assert session.status_code >= 200
        assert len(received.spans) > 8
        logged = [json.loads(line) for line in written.getvalue().splitlines()]
        assert len([line for line in logged if line["event"] == "request"]) == 9
        assert all(len(line["trace_id"]) == 32 and len(line["span_id"]) == 16 for line in logged if "route" in line)
        assert {line["trace_id"] for line in logged if "route" in line} >= {
            s.trace_id.hex() for s in received.spans[:1]
        }
        sent = received.text
        signing_key = json.dumps(web.stack.gateway.keys.signing_key)
        for secret in (CANARY, CANARY.upper(), user.token, user.email, web.stack.anon_key, signing_key):
            assert secret not in sent
        paths = [line.pop("route") for line in logged if line.get("status") == 404]
        assert paths == [f"/{CANARY}"]  # of what is not there: for the operator's own log, not sent anywhere
        words = json.dumps(logged)
        for secret in (CANARY, user.token, user.email, web.stack.anon_key, signing_key):
            assert secret not in words


async def test_refusals_are_counted_by_kind_and_budgets_by_period(strict_web: Web):
    user, client = await strict_web.user_client()
    body = {"prompt": "Hello", "max_tokens": 1}
    with receiver() as received:
        with exporting(received.address):
            for _ in range(4):
                await client.post("/api/generate", json=body)
            await client.get("/nowhere")
            await strict_web.services.afterwards.close()
        counted = {labels["lift_sys.refusal"]: count for labels, count in received.points("lift_sys.refusals")}
        assert counted == {"engine-unavailable": 3, "rate-limited": 1, "http-404": 1}
        refused = [span for span in received.spans if span.name == "POST /api/generate"]
        kinds = [values(span.attributes)["lift_sys.refusal"] for span in refused]
        assert sorted(kinds) == ["engine-unavailable"] * 3 + ["rate-limited"]
        assert user.token not in received.text
