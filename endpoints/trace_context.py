"""W3C Trace Context (https://www.w3.org/TR/trace-context/): the caller's trace is continued, or one is begun."""

import re
import secrets
from dataclasses import dataclass

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from endpoints.response_headers import adding_headers

HEADER = "traceparent"
# Section 3.2: version 00 has exactly four fields; a later version may append more, which are not ours to read.
_TRACEPARENT = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 0x01


@dataclass(frozen=True)
class TraceContext:
    """The trace a request belongs to, and this server's own span in it."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"

    @classmethod
    def from_header(cls, value: str) -> "TraceContext":
        """Continue the trace in `value`; begin a new, sampled one where it is missing or malformed (section 3.2.2)."""
        match = _TRACEPARENT.fullmatch(value)
        if match is None or not _acceptable(match):
            return cls(secrets.token_hex(16), secrets.token_hex(8), None, sampled=True)
        _, trace_id, parent, flags, _ = match.groups()
        return cls(trace_id, secrets.token_hex(8), parent, sampled=bool(int(flags, 16) & _SAMPLED))


class TraceContextMiddleware:
    """Puts `trace` into the scope's state, its id into the logging context, and `traceparent` into the response."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        offered = Headers(scope=scope).getlist(HEADER)
        # More than one is malformed: nobody can say which of them is meant.
        trace = TraceContext.from_header(offered[0] if len(offered) == 1 else "")
        scope.setdefault("state", {})["trace"] = trace
        with structlog.contextvars.bound_contextvars(trace_id=trace.trace_id):
            await self.app(scope, receive, adding_headers(send, {HEADER: str(trace)}))


def _acceptable(match: re.Match[str]) -> bool:
    version, trace_id, parent, _, rest = match.groups()
    return bool(trace_id.strip("0") and parent.strip("0") and (rest is None or version != "00"))
