"""Streams of /v1 that are broken off: by an engine that is lost, and by a client that leaves."""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import openai
import pytest

from endpoints.app import create_app
from functions.failures import EngineUnavailable
from functions.generation import Delta, GenerationEvent, GenerationRequest
from tests.endpoints.asgi import until
from tests.endpoints.conftest import ColdEngine, Web
from tests.endpoints.openai.conftest import Serving

ASK: Any = [{"role": "user", "content": "Count for ever."}]


class LostEngine(ColdEngine):
    """An engine that is lost after its first word."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        yield Delta(text="One", tokens=1)
        raise EngineUnavailable("the engine", f"its process died; {request.id} is lost")


@pytest.fixture
def lost_web(web: Web) -> Web:
    services = replace(web.services, engine=LostEngine())
    return replace(web, services=services, app=create_app(services))


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": ASK}),
        ("completions", {"prompt": "Count."}),
        ("responses", {"input": "Count."}),
    ],
)
async def test_an_engine_that_is_lost_is_said_in_the_stream(lost_web: Web, path: str, body: dict[str, Any]):
    _, client = await lost_web.user_client()
    asked = {"model": lost_web.services.settings.engine.model, **body}
    response = await client.post(f"/v1/{path}", json={**asked, "stream": True})
    assert response.status_code == 200
    assert "One" in response.text
    last = json.loads(response.text.strip().rpartition("data: ")[2])
    error = last if path == "responses" else last["error"]
    assert error["code"] == "engine_unavailable"
    assert "[DONE]" not in response.text
    whole = await client.post(f"/v1/{path}", json=asked)
    assert whole.status_code == 503
    assert whole.json()["error"]["code"] == "engine_unavailable"


async def test_a_client_that_leaves_stops_the_engine(client: openai.AsyncOpenAI, serving: Serving):
    engine = serving.web.services.engine
    stream = await client.chat.completions.create(
        model=serving.model,
        messages=ASK,
        stream=True,
        max_tokens=2000,
        extra_body={"structured_outputs": {"regex": "[0-9 ]{2000}"}},
    )
    await anext(aiter(stream))
    assert (await engine.status()).running == 1
    await stream.close()
    async with asyncio.timeout(10):
        while (await engine.status()).running:  # noqa: ASYNC110 - the engine has no event for it
            await asyncio.sleep(0.01)
    await until(lambda: not serving.web.services.afterwards._tasks)
