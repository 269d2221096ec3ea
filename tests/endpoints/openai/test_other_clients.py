"""Libraries that speak OpenAI's protocol, each against the real engine: instructor, litellm and pydantic-ai."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import instructor
import openai
import pytest
from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic_ai import Agent, NativeOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from tests.endpoints.openai.conftest import Serving


class Feeling(BaseModel):
    """How a text feels."""

    model_config = ConfigDict(extra="forbid")

    mood: Literal["happy", "sad"]
    word: Annotated[str, StringConstraints(max_length=8)]


ASK: Any = [{"role": "user", "content": "I won the race! How does this text feel?"}]


@pytest.mark.parametrize("mode", [instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA])
async def test_instructor_gets_its_model_at_the_first_try(
    client: openai.AsyncOpenAI, serving: Serving, mode: instructor.Mode
):
    patched = instructor.from_openai(client, mode=mode)
    feeling, completion = await patched.chat.completions.create_with_completion(
        model=serving.model, messages=ASK, response_model=Feeling, max_tokens=80, max_retries=0, temperature=0
    )
    assert isinstance(feeling, Feeling)
    assert completion.usage.completion_tokens > 0


async def test_instructor_streams_partial_models(client: openai.AsyncOpenAI, serving: Serving):
    patched = instructor.from_openai(client, mode=instructor.Mode.TOOLS)
    parts = [
        part
        async for part in patched.chat.completions.create_partial(
            model=serving.model, messages=ASK, response_model=Feeling, max_tokens=80, temperature=0
        )
    ]
    assert parts[-1].mood in {"happy", "sad"}


async def test_litellm_as_a_client(serving: Serving):
    script = Path(__file__).with_name("litellm_client.py")
    running = await asyncio.create_subprocess_exec(
        sys.executable, script, serving.base_url, serving.key, serving.model, stdout=asyncio.subprocess.PIPE
    )
    written, _ = await running.communicate()
    assert running.returncode == 0
    got = json.loads(written)
    assert got["text"] == got["streamed"] != ""
    assert got["usage"] == [got["tokens"]]
    for document in (got["formatted"], got["arguments"]):
        assert json.loads(document).keys() == {"happy"}
    assert got["finish_reason"] == "tool_calls"
    assert got["dimensions"] == 384
    assert got["errors"] == ["AuthenticationError", "ContextWindowExceededError", "NotFoundError"]


def settings_of_agents() -> ModelSettings:
    return ModelSettings(max_tokens=80, temperature=0)


@pytest.mark.parametrize("output", [ToolOutput(Feeling), NativeOutput(Feeling)])
async def test_pydantic_ai_gets_its_output(client: openai.AsyncOpenAI, serving: Serving, output: Any):
    provider = OpenAIProvider(openai_client=client)
    agent = Agent(OpenAIChatModel(serving.model, provider=provider), output_type=output, retries=0)
    answer = await agent.run(str(ASK[0]["content"]), model_settings=settings_of_agents())
    assert isinstance(answer.output, Feeling)
    assert answer.usage.output_tokens > 0


async def test_pydantic_ai_by_responses(client: openai.AsyncOpenAI, serving: Serving):
    provider = OpenAIProvider(openai_client=client)
    model = OpenAIResponsesModel(serving.model, provider=provider)
    agent = Agent(model, output_type=NativeOutput(Feeling), retries=0)
    answer = await agent.run(str(ASK[0]["content"]), model_settings=settings_of_agents())
    assert isinstance(answer.output, Feeling)


async def test_pydantic_ai_streams(client: openai.AsyncOpenAI, serving: Serving):
    provider = OpenAIProvider(openai_client=client)
    agent = Agent(OpenAIChatModel(serving.model, provider=provider))
    async with agent.run_stream("Name one colour.", model_settings=ModelSettings(max_tokens=8)) as answer:
        pieces = [piece async for piece in answer.stream_text(delta=True)]
    assert "".join(pieces)
