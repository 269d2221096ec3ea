"""Answers that were given without the database say so: `service-mode: degraded`."""

from starlette.requests import Request

from endpoints.response_headers import answer_with

HEADER = "service-mode"


def note_degraded(request: Request) -> None:
    """The request is served by this server alone: its answer will say so."""
    answer_with(request.scope, {HEADER: "degraded"})
