"""/v1/responses by the real openai package against the real engine."""

from typing import Annotated, Any

import openai
import pytest
from pydantic import BaseModel, ConfigDict, StringConstraints

from tests.endpoints.openai.conftest import Serving


class Colour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=8)]


async def test_a_text_whole_and_as_events(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {
        "model": serving.model, "instructions": "Be brief.", "input": "Name one colour.", "temperature": 0,
        "max_output_tokens": 40, "metadata": {"a": "b"}, "store": False,
    }  # fmt: skip
    whole = await client.responses.create(**asked)
    assert whole.id.startswith("resp_")
    assert whole.output_text
    assert whole.metadata == {"a": "b"}
    assert whole.usage is not None
    assert whole.usage.output_tokens > 0
    events = [event async for event in await client.responses.create(**asked, stream=True)]
    kinds = [event.type for event in events]
    assert kinds[:4] == [
        "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"
    ]  # fmt: skip
    assert kinds[-4:] == [
        "response.output_text.done", "response.content_part.done", "response.output_item.done",
        f"response.{whole.status}",
    ]  # fmt: skip
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(e.delta for e in events if e.type == "response.output_text.delta") == whole.output_text
    last = events[-1]
    assert last.type in {"response.completed", "response.incomplete"}
    assert last.response.output_text == whole.output_text
    assert last.response.usage == whole.usage


async def test_a_conversation_goes_on_with_its_own_items(client: openai.AsyncOpenAI, serving: Serving):
    question: Any = {"role": "user", "content": [{"type": "input_text", "text": "Name one colour."}]}
    first = await client.responses.create(model=serving.model, input=[question], max_output_tokens=8)
    items: Any = [question, *(item.model_dump() for item in first.output), {"role": "user", "content": "And another?"}]
    second = await client.responses.create(
        model=serving.model, instructions="Be brief.", input=items, max_output_tokens=8
    )
    assert second.output_text


async def test_what_was_cut_is_incomplete(client: openai.AsyncOpenAI, serving: Serving):
    answer = await client.responses.create(model=serving.model, input="Count for ever.", max_output_tokens=3)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


@pytest.mark.parametrize("shape", [{"type": "json_object"}, None])
async def test_json_of_any_shape_or_of_one(client: openai.AsyncOpenAI, serving: Serving, shape: Any):
    if shape:
        answer = await client.responses.create(
            model=serving.model, input="A colour, as JSON.", text={"format": shape}, max_output_tokens=8
        )
        assert answer.output_text.startswith("{")
        return
    parsed = await client.responses.parse(
        model=serving.model, input="A colour, as JSON.", text_format=Colour, max_output_tokens=40
    )
    assert isinstance(parsed.output_parsed, Colour)
    async with client.responses.stream(
        model=serving.model, input="A colour, as JSON.", text_format=Colour, max_output_tokens=40
    ) as stream:
        async for event in stream:
            assert event.type
        final = await stream.get_final_response()
    assert isinstance(final.output_parsed, Colour)
