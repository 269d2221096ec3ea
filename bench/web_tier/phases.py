"""Where a request's processor time goes: the event loop's thread time around each step, one request at a time."""

import functools
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies import utils as dependencies
from starlette.responses import JSONResponse

from bench.web_tier.applications import Place, ours
from endpoints import guard
from endpoints.json_request import JsonRequest
from functions.ledger import Ledger

FILE = "phases.json"
STEPS = (
    (guard, "_known_caller", "auth"),
    (JsonRequest, "json", "validate"),
    (dependencies, "request_body_to_args", "validate"),
    (Ledger, "admit", "admit"),
    (JSONResponse, "render", "serialise"),
    (Ledger, "settle", "settle"),
)


@asynccontextmanager
async def ours_in_phases(place: Place) -> AsyncIterator[FastAPI]:
    """Ours, with a clock around its steps; seconds of each are in a file at the end."""
    spent: dict[str, float] = defaultdict(float)
    for owner, attribute, name in STEPS:
        inner = getattr(owner, attribute)
        setattr(owner, attribute, (_render if attribute == "render" else _awaited)(inner, name, spent))
    async with ours(place) as app:
        yield app
    (Path(place.directory) / FILE).write_text(json.dumps(spent))


def _awaited(inner: Any, name: str, spent: dict[str, float]) -> Any:
    @functools.wraps(inner)
    async def timed(*arguments: Any, **named: Any) -> Any:
        began = time.thread_time()
        try:
            return await inner(*arguments, **named)
        finally:
            spent[name] += time.thread_time() - began

    return timed


def _render(inner: Any, name: str, spent: dict[str, float]) -> Any:
    @functools.wraps(inner)
    def timed(*arguments: Any) -> Any:
        began = time.thread_time()
        try:
            return inner(*arguments)
        finally:
            spent[name] += time.thread_time() - began

    return timed
