"""What is compared: our web tier, and what FastAPI alone would do, bare and with the same two calls of the database."""

import asyncio
import json
import signal
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel, HttpUrl, SecretStr
from starlette.types import ASGIApp

from bench.web_tier.immediate_engine import ANSWER, TOKENS, ImmediateEngine
from endpoints.app import create_app
from endpoints.composition import compose
from functions.cache import FileStore
from functions.database import Database
from functions.sentence_model import SentenceModel
from infra.settings import LimitSettings, Secrets, Settings, TelemetryExport, load_settings
from infra.telemetry_export import exported

UNLIMITED = LimitSettings(
    reads_per_minute=10**9,
    generations_per_minute=10**9,
    expensive_per_hour=10**9,
    concurrent_generations=10**6,
    daily_budget_usd=1e9,
    monthly_budget_usd=1e9,
)


@dataclass(frozen=True)
class Place:
    """What an application is told of the database. `acting_token`: of one user, with the claim that a server acts."""

    url: str
    anon_key: str
    signing_key: dict[str, Any]
    acting_token: str
    directory: str
    tokenizer: str
    receiver: str | None = None
    """Where traces and metrics go to; without one they are off."""
    sample_ratio: float | None = None


def settings() -> Settings:
    return load_settings("local").model_copy(update={"limits": UNLIMITED})


@contextmanager
def telemetry_of(place: Place) -> Iterator[None]:
    """Export as production would."""
    chosen = load_settings("production").telemetry
    if place.sample_ratio is not None:
        chosen = chosen.model_copy(update={"sample_ratio": place.sample_ratio})
    export = TelemetryExport(otel_exporter_otlp_endpoint=HttpUrl(place.receiver)) if place.receiver else None
    with exported("bench", "bench", chosen, export):
        yield


@asynccontextmanager
async def ours(place: Place) -> AsyncIterator[FastAPI]:
    """All of it, as `make serve` and Modal have it."""
    secrets = Secrets(
        supabase_url=HttpUrl(place.url),
        supabase_anon_key=SecretStr(place.anon_key),
        jwt_signing_key=SecretStr(json.dumps(place.signing_key)),
    )
    store = FileStore(Path(place.directory) / "cache", max_bytes=2**24)
    composed = compose(
        settings(), secrets, ImmediateEngine(), Path(place.tokenizer), embedder=SentenceModel(), store=store
    )
    async with composed as services:
        yield create_app(services)


class _Message(BaseModel):
    role: str
    content: str


class _Body(BaseModel):
    model: str
    messages: list[_Message]
    max_tokens: int = 100


def _answer(body: _Body) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.model,
        "choices": [{"index": 0, "message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 10, "completion_tokens": TOKENS, "total_tokens": 10 + TOKENS},
    }


@asynccontextmanager
async def bare(_place: Place) -> AsyncIterator[FastAPI]:
    """A route that takes the body and answers: no caller, no budget, no log."""
    app = FastAPI()

    @app.post("/v1/chat/completions")
    async def complete(body: _Body) -> dict[str, Any]:
        return _answer(body)

    yield app


@asynccontextmanager
async def bare_with_database(place: Place) -> AsyncIterator[FastAPI]:
    """The same route between `admit` and `settle`, by the client that ours has."""
    app = FastAPI()
    database = Database(place.url, place.anon_key)
    limits = {
        "daily_budget_usd": 1e9,
        "monthly_budget_usd": 1e9,
        "concurrent": 10**6,
        "policies": [{"policy": "generations", "quota": 10**9, "window_s": 60}],
    }

    @app.post("/v1/chat/completions")
    async def complete(body: _Body) -> dict[str, Any]:
        work_id = str(uuid.uuid4())
        work = {
            "endpoint": "chat_completions",
            "environment": "local",
            "model": body.model,
            "gpu": "cpu",
            "estimated_usd": 0.01,
            "expires_in_s": 660.0,
        }
        await database.call("admit", {"p_id": work_id, "p_work": work, "p_limits": limits}, token=place.acting_token)
        answer = _answer(body)
        outcome = {"cost_usd": 0.001, "completion_tokens": TOKENS, "finish_reason": "stop"}
        arguments = {"p_id": work_id, "p_outcome": outcome, "p_work": work}
        await database.call("settle", arguments, token=place.acting_token)
        return answer

    yield app
    await database.close()


class _Server(uvicorn.Server):
    """Stops at a signal; uvicorn's own raises it again, before the application has been taken down."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.handle_exit, signal.SIGTERM, None)
        yield


def server(app: ASGIApp) -> uvicorn.Server:
    """As `make serve` has it."""
    return _Server(uvicorn.Config(app, log_config=None, access_log=False, server_header=False, proxy_headers=False))
