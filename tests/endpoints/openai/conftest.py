"""The web tier before the real engine, on a socket, as a client library meets it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import openai
import pytest

from endpoints.app import create_app
from tests.endpoints.asgi import served
from tests.endpoints.conftest import Web


@dataclass(frozen=True)
class Serving:
    """Where it is, a user's API key for it, and the model that it serves."""

    web: Web
    url: str
    key: str
    model: str

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    def client(self) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=self.base_url, api_key=self.key, max_retries=0, timeout=120)


@pytest.fixture
async def serving(web_with_engine: Web) -> AsyncIterator[Serving]:
    _, client = await web_with_engine.user_client()
    key = (await client.post("/api/keys", json={"name": "tests", "scopes": ["read", "generate"]})).json()["key"]
    async with served(create_app(web_with_engine.services)) as url:
        yield Serving(web_with_engine, url, key, web_with_engine.services.settings.engine.model)


@pytest.fixture
async def client(serving: Serving) -> AsyncIterator[openai.AsyncOpenAI]:
    async with serving.client() as client:
        yield client
