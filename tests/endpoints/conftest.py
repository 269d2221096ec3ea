"""The whole web tier over a real database behind a real gateway, with the validator of the run."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from pydantic import HttpUrl, SecretStr

from endpoints.app import create_app
from endpoints.composition import assemble
from endpoints.services import Services
from functions.cache import FileStore
from functions.engine import Engine
from functions.failures import EngineUnavailable
from functions.generation import EngineClient, EngineStatus, GenerationEvent, GenerationRequest
from functions.sentence_model import SentenceModel
from functions.validation import ConstraintValidator
from infra.settings import Secrets, Settings
from tests.database_fixtures import LocalUser, Stack
from tests.endpoints.asgi import client_of
from tests.endpoints.console.scripted_engine import ScriptedEngine


class ColdEngine:
    """An engine that cannot answer, for what the web tier does then, and where no engine is needed.

    It generates nothing; what depends on what an engine does is tested with the real one.
    """

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        raise EngineUnavailable("the engine", f"it is cold; {request.id} was not begun", retry_after_s=30)
        yield  # an asynchronous generator, and nothing else

    async def status(self) -> EngineStatus:
        return EngineStatus(state="cold", model="none")


@dataclass
class Web:
    """One running web tier, and clients of it."""

    stack: Stack
    services: Services
    app: FastAPI
    embedder: SentenceModel

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        return client_of(self.app, headers={"authorization": f"Bearer {token}"} if token else {})

    async def user_client(self) -> tuple[LocalUser, httpx.AsyncClient]:
        user = await self.stack.user()
        return user, self.client(user.token)


def secrets_of(stack: Stack) -> Secrets:
    return Secrets(
        supabase_url=HttpUrl(stack.url),
        supabase_anon_key=SecretStr(stack.anon_key),
        jwt_signing_key=SecretStr(json.dumps(stack.gateway.keys.signing_key)),
    )


@pytest.fixture
async def web(
    stack: Stack, settings: Settings, validator: ConstraintValidator, embedder: SentenceModel, store: FileStore
) -> AsyncIterator[Web]:
    """The web tier before an engine that is cold."""
    async with assemble(
        settings, secrets_of(stack), ColdEngine(), validator, embedder=embedder, store=store
    ) as services:
        yield Web(stack, services, create_app(services), embedder)


@pytest.fixture
async def strict_web(
    stack: Stack, settings: Settings, validator: ConstraintValidator, embedder: SentenceModel, store: FileStore
) -> AsyncIterator[Web]:
    """As `web`, with limits that a test can reach."""
    limits = settings.limits.model_copy(update={"reads_per_minute": 5, "generations_per_minute": 3})
    strict = settings.model_copy(update={"limits": limits})
    async with assemble(strict, secrets_of(stack), ColdEngine(), validator, embedder=embedder, store=store) as services:
        yield Web(stack, services, create_app(services), embedder)


@pytest.fixture
def scripted() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def scripted_web(
    stack: Stack,
    settings: Settings,
    validator: ConstraintValidator,
    scripted: ScriptedEngine,
    embedder: SentenceModel,
    store: FileStore,
) -> AsyncIterator[Web]:
    """The web tier before an engine that writes what it is told to."""
    async with assemble(settings, secrets_of(stack), scripted, validator, embedder=embedder, store=store) as services:
        yield Web(stack, services, create_app(services), embedder)


@pytest.fixture
async def web_with_engine(
    stack: Stack,
    settings: Settings,
    validator: ConstraintValidator,
    engine: Engine,
    embedder: SentenceModel,
    store: FileStore,
) -> AsyncIterator[Web]:
    """The web tier before the real engine."""
    serving: EngineClient = engine
    async with assemble(settings, secrets_of(stack), serving, validator, embedder=embedder, store=store) as services:
        yield Web(stack, services, create_app(services), embedder)
