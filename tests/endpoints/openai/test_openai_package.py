"""The real openai package against the real engine, over a socket: asynchronous, synchronous, streams, parsing."""

import asyncio
import json
from typing import Annotated, Any, Literal

import openai
import pytest
from openai.types.chat import ChatCompletionToolUnionParam
from pydantic import BaseModel, ConfigDict, StringConstraints

from tests.endpoints.openai.conftest import Serving


class Person(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, StringConstraints(max_length=8)]
    mood: Literal["happy", "sad"]


ASK: Any = [{"role": "user", "content": "Name one colour."}]
WEATHER: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 10},
                "unit": {"$ref": "#/$defs/Unit"},
            },
            "required": ["city", "unit"],
            "additionalProperties": False,
            "$defs": {"Unit": {"enum": ["celsius", "fahrenheit"]}},
        },
    },
}
TIME: ChatCompletionToolUnionParam = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}},
}


async def test_an_answer_with_all_that_can_be_asked_for(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {
        "model": serving.model, "messages": ASK, "n": 2, "stop": ["\n\n"], "seed": 7, "temperature": 0.7, "top_p": 0.9,
        "presence_penalty": 0.1, "frequency_penalty": 0.1, "logprobs": True, "top_logprobs": 2,
        "max_completion_tokens": 12, "user": "u", "metadata": {"a": "b"}, "store": False, "service_tier": "auto",
    }  # fmt: skip
    answer = await client.chat.completions.create(**asked)
    assert answer.id.startswith("chatcmpl-")
    assert answer.object == "chat.completion"
    assert answer.model == serving.model
    assert [choice.index for choice in answer.choices] == [0, 1]
    for choice in answer.choices:
        assert choice.message.role == "assistant"
        assert choice.message.content
        assert choice.finish_reason in {"stop", "length"}
        assert choice.logprobs is not None
        assert choice.logprobs.content
        entry = choice.logprobs.content[0]
        assert entry.logprob <= 0
        assert bytes(entry.bytes or []).decode() == entry.token
        assert [other.logprob for other in entry.top_logprobs] == sorted(
            (other.logprob for other in entry.top_logprobs), reverse=True
        )
        assert len(entry.top_logprobs) == 2
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 0
    assert 2 < answer.usage.completion_tokens <= 24
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    again = await client.chat.completions.create(**asked)
    assert [c.message.content for c in again.choices] == [c.message.content for c in answer.choices]


async def test_a_stream_says_what_the_whole_answer_says(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {"model": serving.model, "messages": ASK, "max_tokens": 10, "temperature": 0, "logprobs": True}
    whole = await client.chat.completions.create(**asked)
    stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert chunks[0].choices[0].delta.role == "assistant"
    said = [chunk.choices[0] for chunk in chunks[:-1]]
    assert "".join(choice.delta.content or "" for choice in said) == whole.choices[0].message.content
    assert [choice.finish_reason for choice in said if choice.finish_reason] == [whole.choices[0].finish_reason]
    tokens = [entry.token for choice in said if choice.logprobs for entry in choice.logprobs.content or []]
    assert whole.choices[0].logprobs is not None
    assert tokens == [entry.token for entry in whole.choices[0].logprobs.content or []]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert whole.usage is not None
    assert chunks[-1].usage.completion_tokens == whole.usage.completion_tokens


async def test_the_headers_that_clients_read(client: openai.AsyncOpenAI, serving: Serving):
    for stream in (False, True):
        answer = await client.chat.completions.with_raw_response.create(
            model=serving.model, messages=ASK, max_tokens=2, stream=stream
        )
        assert answer.headers["x-request-id"]
        assert int(answer.headers["x-ratelimit-remaining-requests"]) < int(answer.headers["x-ratelimit-limit-requests"])
        assert answer.headers["x-ratelimit-reset-requests"].endswith("ms")
        await answer.http_response.aread()


async def test_a_synchronous_client(serving: Serving):
    def ask() -> tuple[str | None, str]:
        with openai.OpenAI(base_url=serving.base_url, api_key=serving.key, max_retries=0) as client:
            asked: Any = {"model": serving.model, "messages": ASK, "max_tokens": 6, "temperature": 0}
            whole = client.chat.completions.create(**asked)
            chunks = client.chat.completions.create(**asked, stream=True)
            return whole.choices[0].message.content, "".join(chunk.choices[0].delta.content or "" for chunk in chunks)

    whole, streamed = await asyncio.to_thread(ask)
    assert whole == streamed != ""


async def test_parse_gives_what_the_type_says(client: openai.AsyncOpenAI, serving: Serving):
    answer = await client.chat.completions.parse(
        model=serving.model, messages=ASK, response_format=Person, max_tokens=60
    )
    assert isinstance(answer.choices[0].message.parsed, Person)
    async with client.chat.completions.stream(
        model=serving.model, messages=ASK, response_format=Person, max_tokens=60
    ) as stream:
        async for event in stream:
            assert event.type
        final = await stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Person)


async def test_what_parse_cannot_read_because_it_was_cut_is_said_so(client: openai.AsyncOpenAI, serving: Serving):
    with pytest.raises(openai.LengthFinishReasonError):
        await client.chat.completions.parse(model=serving.model, messages=ASK, response_format=Person, max_tokens=3)


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}])
async def test_a_call_that_has_to_be_made(client: openai.AsyncOpenAI, serving: Serving, choice: Any):
    asked: Any = {
        "model": serving.model, "messages": [{"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [WEATHER, TIME], "tool_choice": choice, "max_tokens": 60, "seed": 3, "temperature": 0,
    }  # fmt: skip
    answer = (await client.chat.completions.create(**asked)).choices[0]
    assert answer.finish_reason == ("tool_calls" if choice == "required" else "stop")
    assert answer.message.content is None
    (call,) = answer.message.tool_calls or []
    assert call.type == "function"
    if call.function.name == "get_weather":
        arguments = json.loads(call.function.arguments)
        assert arguments.keys() == {"city", "unit"}
        assert arguments["unit"] in {"celsius", "fahrenheit"}
    else:
        assert (choice, call.function.name, call.function.arguments) == ("required", "get_time", "{}")
    names, arguments_text = [], ""
    async for chunk in await client.chat.completions.create(**asked, stream=True):
        for piece in chunk.choices[0].delta.tool_calls or []:
            assert piece.index == 0
            assert piece.function is not None
            names += [piece.function.name] if piece.function.name else []
            arguments_text += piece.function.arguments or ""
    assert (names, arguments_text) == ([call.function.name], call.function.arguments)


async def test_a_call_that_may_be_made_and_is(client: openai.AsyncOpenAI, serving: Serving):
    """A small model calls when it has seen calls: its own earlier turns, as a client sends them back."""
    earlier: Any = []
    for city in ("Rome", "Oslo", "Bern"):
        call = {"name": "get_weather", "arguments": json.dumps({"city": city, "unit": "celsius"})}
        earlier += [
            {"role": "user", "content": f"What is the weather in {city}?"},
            {"role": "assistant", "tool_calls": [{"id": city, "type": "function", "function": call}]},
            {"role": "tool", "tool_call_id": city, "content": "sunny"},
            {"role": "assistant", "content": f"It is sunny in {city}."},
        ]
    asked: Any = {
        "model": serving.model, "messages": [*earlier, {"role": "user", "content": "What is the weather in Paris?"}],
        "tools": [WEATHER, TIME], "max_tokens": 80, "temperature": 0,
    }  # fmt: skip
    answer = (await client.chat.completions.create(**asked)).choices[0]
    assert answer.finish_reason == "tool_calls", answer
    (called,) = answer.message.tool_calls or []
    assert called.type == "function"
    assert json.loads(called.function.arguments).keys() == {"city", "unit"}
    stream = await client.chat.completions.create(**asked, stream=True)
    said = [chunk.choices[0] async for chunk in stream]
    assert said[-1].finish_reason == "tool_calls"
    assert "".join(choice.delta.content or "" for choice in said) == (answer.message.content or "")


async def test_no_call_is_made_where_none_may_be(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {"model": serving.model, "messages": ASK, "max_tokens": 10, "temperature": 0}
    free = (await client.chat.completions.create(**asked)).choices[0].message
    none = (await client.chat.completions.create(**asked, tools=[WEATHER], tool_choice="none")).choices[0].message
    assert none.content == free.content
    assert none.tool_calls is None


async def test_a_call_or_json(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {
        "model": serving.model, "messages": ASK, "tools": [WEATHER], "max_tokens": 60, "temperature": 0,
        "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": Person.model_json_schema()}},
    }  # fmt: skip
    message = (await client.chat.completions.create(**asked)).choices[0].message
    if message.tool_calls:
        assert message.tool_calls[0].type == "function"
        assert json.loads(message.tool_calls[0].function.arguments).keys() == {"city", "unit"}
    else:
        Person.model_validate_json(message.content or "")


@pytest.mark.parametrize(
    ("structured", "allowed"),
    [
        ({"choice": ["red", "green"]}, {"red", "green"}),
        ({"regex": "(yes|no)!"}, {"yes!", "no!"}),
        ({"grammar": 'start: "a" | "b"'}, {"a", "b"}),
        ({"json": {"enum": ["c"]}}, {'"c"'}),
        ({"json": '{"enum": ["c"]}'}, {'"c"'}),
    ],
)
async def test_the_constraints_of_vllm(
    client: openai.AsyncOpenAI, serving: Serving, structured: dict[str, Any], allowed: set[str]
):
    for create in (client.chat.completions.create, client.completions.create):
        prompt: Any = {"messages": ASK} if create == client.chat.completions.create else {"prompt": "Say:"}
        answer: Any = await create(
            model=serving.model, **prompt, max_tokens=20, extra_body={"structured_outputs": structured}
        )
        choice = answer.choices[0]
        assert (choice.message.content if "messages" in prompt else choice.text) in allowed


async def test_json_of_any_shape_and_text_with_constrained_parts(client: openai.AsyncOpenAI, serving: Serving):
    tag = {"triggers": ["<p"], "structures": [{"begin": "<p>", "schema": {"enum": [1]}, "end": "</p>"}]}
    for body in (
        {"response_format": {"type": "json_object"}},
        {"structured_outputs": {"json_object": True}},
        {"structured_outputs": {"structural_tag": json.dumps(tag)}},
        {"response_format": {"type": "structural_tag", **tag}},
    ):
        answer = await client.chat.completions.create(
            model=serving.model, messages=ASK, max_tokens=8, temperature=0, extra_body=body
        )
        text = answer.choices[0].message.content or ""
        assert text.startswith("{") or "structural_tag" in str(body)


async def test_completions_go_on_with_a_text(client: openai.AsyncOpenAI, serving: Serving):
    asked: Any = {
        "model": serving.model, "prompt": "One, two, three,", "max_tokens": 8, "temperature": 0, "logprobs": 2
    }  # fmt: skip
    whole = await client.completions.create(**asked)
    assert whole.object == "text_completion"
    assert "four" in whole.choices[0].text
    columns = whole.choices[0].logprobs
    assert columns is not None
    assert "".join(columns.tokens or []) == whole.choices[0].text
    assert columns.top_logprobs is not None
    assert len(columns.top_logprobs[0]) == 2
    stream = await client.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]
    assert "".join(chunk.choices[0].text for chunk in chunks[:-1]) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage


async def test_embeddings_are_near_for_what_means_the_same(client: openai.AsyncOpenAI):
    texts = ["drop repeated items of an array", "remove duplicate entries from a list", "the weather is fine"]
    answer = await client.embeddings.create(model="all-MiniLM-L6-v2", input=texts)  # asks for base64
    vectors = [entry.embedding for entry in answer.data]
    plain = await client.embeddings.create(model="all-MiniLM-L6-v2", input=texts[0], encoding_format="float")
    assert plain.data[0].embedding == pytest.approx(vectors[0], abs=1e-5)
    near, far = (sum(a * b for a, b in zip(vectors[0], other, strict=True)) for other in vectors[1:])
    assert near > far
    assert answer.usage.prompt_tokens == answer.usage.total_tokens > 15


async def test_the_models(client: openai.AsyncOpenAI, serving: Serving):
    listed = [model async for model in client.models.list()]
    assert serving.model in {model.id for model in listed}
    assert (await client.models.retrieve(serving.model)).id == serving.model


async def test_refusals_are_the_clients_own_errors(client: openai.AsyncOpenAI, serving: Serving):
    with pytest.raises(openai.NotFoundError) as unknown:
        await client.chat.completions.create(model="gpt-4o", messages=ASK)
    assert unknown.value.code == "model_not_found"
    long_text: Any = [{"role": "user", "content": "word " * 20_000}]
    with pytest.raises(openai.BadRequestError) as long:
        await client.chat.completions.create(model=serving.model, messages=long_text, stream=True)
    assert (long.value.code, long.value.param) == ("context_length_exceeded", "messages")
    assert "maximum context length is 8192 tokens" in long.value.message
    assert long.value.request_id
    async with openai.AsyncOpenAI(base_url=serving.base_url, api_key="lsk_wrong", max_retries=0) as stranger:
        with pytest.raises(openai.AuthenticationError) as refused:
            await stranger.models.list()
    assert refused.value.code == "invalid_api_key"


async def test_the_same_key_is_answered_the_same_and_done_once(client: openai.AsyncOpenAI, serving: Serving):
    for stream in (False, True):
        asked: Any = {"model": serving.model, "messages": ASK, "temperature": 2, "max_tokens": 8, "stream": stream}
        headers = {"Idempotency-Key": f"k{stream}"}
        bodies = []
        for _ in range(2):  # a stream is kept a moment after its end, until when the client is told to try again
            answer = await client.with_options(max_retries=5).chat.completions.with_raw_response.create(
                **asked, extra_headers=headers
            )
            bodies.append(await answer.http_response.aread())
        assert bodies[0] == bodies[1]
        assert answer.headers["idempotent-replayed"] == "true"
