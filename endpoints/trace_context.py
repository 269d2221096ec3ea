"""W3C Trace Context (https://www.w3.org/TR/trace-context/): the caller's trace is continued, or one is begun."""

import re
import secrets
import time
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, Status, StatusCode, format_span_id, format_trace_id
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.access_log import CLIENT_CLOSED_REQUEST
from endpoints.response_headers import answer_with
from infra import telemetry
from infra import telemetry_names as names

HEADER = "traceparent"
_RAW_HEADER = HEADER.encode()
# Section 3.2: version 00 has exactly four fields; a later version may append more, which are not ours to read.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01
_SERVER_ERROR = 500


@dataclass(frozen=True)
class TraceContext:
    """The place of one span in a trace."""

    trace_id: str
    span_id: str
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    @classmethod
    def parse(cls, value: str) -> "TraceContext | None":
        """The caller's span; None where the header is missing or malformed (section 3.2.2)."""
        match = _TRACEPARENT.fullmatch(value)
        if match is None:
            return None
        version, trace_id, span_id, flags, rest = match.groups()
        if not trace_id.strip("0") or not span_id.strip("0") or (rest is not None and version == "00"):
            return None
        return cls(trace_id, span_id, sampled=bool(int(flags, 16) & _SAMPLED))


class TraceContextMiddleware:
    """Makes the request a span: puts `trace` into the scope's state, and has the response say its `traceparent`.

    What is traced inside the request, here or in an engine elsewhere, is the span's child.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = [value.decode("latin-1") for name, value in scope["headers"] if name == _RAW_HEADER]
        # More than one is malformed: nobody can say which of them is meant.
        parent = TraceContext.parse(offered[0]) if len(offered) == 1 else None
        with telemetry.continued(str(parent) if parent else None):
            span = telemetry.tracer().start_span(_method(scope), kind=SpanKind.SERVER)
        trace = _own(span, parent)
        scope.setdefault("state", {})["trace"] = trace
        answer_with(scope, {HEADER: str(trace)})
        if not span.is_recording():
            # What is inside carries the trace's ids on, for logs and for what is elsewhere.
            with telemetry.carrying(trace.trace_id, trace.span_id, sampled=trace.sampled):
                await self._unsampled(scope, receive, send, trace, parent)
            return
        with telemetry.within(span):
            try:
                await self.app(scope, receive, _describing(span, scope, send))
            except BaseException as error:
                telemetry.note_error(span, error)
                raise
            finally:
                span.end()

    async def _unsampled(
        self, scope: Scope, receive: Receive, send: Send, trace: TraceContext, parent: TraceContext | None
    ) -> None:
        """What fails or is slow is sent all the same, as one span, unless the caller asked not to be traced."""
        began, status = time.perf_counter(), CLIENT_CLOSED_REQUEST

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, send_noted)
        except Exception:  # noted as the status that it will have, and raised again
            status = _SERVER_ERROR
            raise
        finally:
            seconds = time.perf_counter() - began
            if (status >= _SERVER_ERROR or seconds > telemetry.slow_s()) and (parent is None or parent.sampled):
                telemetry.keep(_late(scope, status, seconds, trace, parent))


def _own(span: Span, parent: TraceContext | None) -> TraceContext:
    """The request's span as the tracer made it; where nothing is exported it made none, and the ids are made here."""
    made = span.get_span_context()
    span_id = format_span_id(made.span_id)
    if made.is_valid and (parent is None or span_id != parent.span_id):
        return TraceContext(format_trace_id(made.trace_id), span_id, sampled=made.trace_flags.sampled)
    if parent is not None:
        return TraceContext(parent.trace_id, secrets.token_hex(8), parent.sampled)
    return TraceContext(secrets.token_hex(16), secrets.token_hex(8), sampled=True)


def _late(
    scope: Scope, status: int, seconds: float, trace: TraceContext, parent: TraceContext | None
) -> telemetry.LateSpan:
    method, route = _method(scope), getattr(scope.get("route"), "path_format", None)
    attributes: dict[str, str | int] = {names.HTTP_METHOD: method, names.HTTP_STATUS: status}
    if route:
        attributes[names.HTTP_ROUTE] = route
    return telemetry.LateSpan(
        name=f"{method} {route}" if route else method,
        trace_id=trace.trace_id,
        span_id=trace.span_id,
        parent_id=parent.span_id if parent else None,
        seconds=seconds,
        attributes=attributes,
        failed=status >= _SERVER_ERROR,
    )


def _describing(span: Span, scope: Scope, send: Send) -> Send:
    """The semantic conventions' names for an HTTP server's span; the route is known once the response begins."""
    if not span.is_recording():
        return send

    async def send_described(message: Message) -> None:
        if message["type"] == "http.response.start":
            route = getattr(scope.get("route"), "path_format", None)
            method = _method(scope)
            if route:
                span.update_name(f"{method} {route}")
                span.set_attribute(names.HTTP_ROUTE, route)
            span.set_attribute(names.HTTP_METHOD, method)
            span.set_attribute(names.HTTP_STATUS, message["status"])
            if message["status"] >= _SERVER_ERROR:
                span.set_status(Status(StatusCode.ERROR))
        await send(message)

    return send_described


def _method(scope: Scope) -> str:
    return telemetry.known_method(scope["method"])
