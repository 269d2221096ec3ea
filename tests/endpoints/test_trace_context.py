import re

import pytest
from starlette.types import Receive, Scope, Send

from endpoints.response_headers import ResponseHeadersMiddleware
from endpoints.trace_context import TraceContext, TraceContextMiddleware
from infra import telemetry
from tests.endpoints.asgi import client_of, hello

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize("flags", ["00", "01"])
async def test_a_trace_is_continued_in_a_span_of_our_own(flags: str):
    async with client_of(TraceContextMiddleware(ResponseHeadersMiddleware(hello, {}))) as client:
        response = await client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-{flags}"})
    version, trace, span, sampled = response.headers["traceparent"].split("-")
    assert (version, trace, sampled) == ("00", TRACE, flags)
    assert span != PARENT


def test_a_later_version_is_read_as_far_as_it_is_known():
    trace = TraceContext.parse(f"cc-{TRACE}-{PARENT}-01-what-the-future-will-be-like")
    assert trace == TraceContext(TRACE, PARENT, sampled=True)


@pytest.mark.parametrize(
    "malformed",
    [
        "",
        "nonsense",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}",
    ],
)
async def test_a_malformed_header_begins_a_new_trace(malformed: str):
    async with client_of(TraceContextMiddleware(ResponseHeadersMiddleware(hello, {}))) as client:
        response = await client.get("/", headers={"traceparent": malformed})
    made = response.headers["traceparent"]
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", made)
    assert TRACE not in made


async def test_two_headers_mean_neither():
    async with client_of(TraceContextMiddleware(ResponseHeadersMiddleware(hello, {}))) as client:
        header = ("traceparent", f"00-{TRACE}-{PARENT}-01")
        response = await client.get("/", headers=[header, header])
    assert TRACE not in response.headers["traceparent"]


async def test_what_runs_inside_the_request_is_in_its_trace():
    seen: list[str | None] = []

    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(telemetry.traceparent())
        await hello(scope, receive, send)

    async with client_of(TraceContextMiddleware(ResponseHeadersMiddleware(inside, {}))) as client:
        response = await client.get("/", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    assert seen == [response.headers["traceparent"]]
