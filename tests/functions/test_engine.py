"""The engine as its callers see it: the real model, all tests on one running engine."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from functions import vllm_adapter
from functions.code_fences import fenced
from functions.engine import Engine
from functions.failures import ConstraintRefused, GenerationTimeout, PromptTooLong, Refused
from functions.generation import (
    CandidateFinished,
    Constraint,
    Delta,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Message,
    Sampling,
)

SEA = "Tell me about the sea."
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "tags": {"type": "array", "items": {"enum": ["kind", "tall", "loud"]}, "maxItems": 3},
    },
    "required": ["name", "age", "tags"],
}


@dataclass
class Answer:
    events: list[GenerationEvent] = field(default_factory=list)

    def text(self, index: int = 0) -> str:
        return "".join(event.text for event in self.events if isinstance(event, Delta) and event.index == index)

    @property
    def end(self) -> Finished:
        assert isinstance(self.events[-1], Finished)
        return self.events[-1]


def request(
    prompt: str | Sequence[Message] = SEA,
    *,
    constraint: Constraint | None = None,
    raw: bool = False,
    timeout_s: float = 120.0,
    max_tokens: int = 16,
    temperature: float = 0.0,
    **sampling: Any,
) -> GenerationRequest:
    messages = (Message(role="user", content=prompt),) if isinstance(prompt, str) else tuple(prompt)
    return GenerationRequest(
        id="test",
        messages=messages,
        sampling=Sampling(max_tokens=max_tokens, temperature=temperature, **sampling),
        constraint=constraint,
        raw=raw,
        timeout_s=timeout_s,
    )


async def answer(engine: Engine, asked: GenerationRequest) -> Answer:
    return Answer([event async for event in engine.generate(asked)])


async def drain(events: AsyncGenerator[GenerationEvent, None]) -> None:
    async for _ in events:
        pass


async def test_text_comes_in_deltas_and_ends_with_usage_and_timing(engine: Engine):
    result = await answer(engine, request())
    deltas = [event for event in result.events if isinstance(event, Delta)]
    assert len(deltas) > 1
    assert result.text().strip()
    assert result.end.usage.completion_tokens == sum(delta.tokens for delta in deltas) == 16
    assert result.end.usage.prompt_tokens > 16
    assert result.end.finish_reason == "length"
    assert result.end.timing.time_to_first_token_s is not None
    assert 0 < result.end.timing.time_to_first_token_s <= result.end.timing.total_s


async def test_messages_go_through_the_chat_template_and_raw_text_does_not(engine: Engine):
    raw = await answer(engine, request(SEA, raw=True, max_tokens=1))
    user = await answer(engine, request(SEA, max_tokens=1))
    turns = [
        Message(role="system", content="Be brief."),
        Message(role="user", content=SEA),
        Message(role="assistant", content="It is wet."),
        Message(role="user", content="More."),
    ]
    conversation = await answer(engine, request(turns, max_tokens=1))
    assert raw.end.usage.prompt_tokens < 10 < user.end.usage.prompt_tokens < conversation.end.usage.prompt_tokens


@pytest.mark.parametrize(
    ("constraint", "pattern"),
    [
        (Constraint.of("regex", "[a-c]{4}-[0-9]{2}"), r"[a-c]{4}-[0-9]{2}"),
        (Constraint.of("choice", ["red", "green", "blue"]), r"red|green|blue"),
        (Constraint.of("grammar", 'start: "f(" /[0-9]{1,3}/ ")"'), r"f\([0-9]{1,3}\)"),
        (
            Constraint.of(
                "json_schema", {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
            ),
            r'\{"a": ?(true|false)\}',
        ),
    ],
    ids=lambda value: value.kind if isinstance(value, Constraint) else "",
)
async def test_a_constraint_holds_and_its_end_is_a_stop(engine: Engine, constraint: Constraint, pattern: str):
    result = await answer(engine, request(constraint=constraint, max_tokens=32))
    assert re.fullmatch(pattern, result.text())
    assert result.end.finish_reason == "stop"


async def test_json_object_is_json_unless_it_is_cut(engine: Engine):
    asked = request(
        "Answer with the JSON object {}.", constraint=Constraint(kind="json_object", source=""), max_tokens=64
    )
    result = await answer(engine, asked)
    assert result.text().startswith("{")
    if result.end.finish_reason == "stop":
        assert isinstance(json.loads(result.text()), dict)


async def test_inside_a_structural_tag_the_schema_holds(engine: Engine):
    tag = {
        "structures": [
            {
                "begin": "<n>",
                "schema": {"type": "object", "properties": {"n": {"type": "boolean"}}, "required": ["n"]},
                "end": "</n>",
            }
        ],
        "triggers": ["<n>"],
    }
    example = "Repeat exactly, several times: <n>"
    result = await answer(engine, request(example, constraint=Constraint.of("structural_tag", tag), max_tokens=40))
    for inside in re.findall(r"<n>(.*?)</n>", result.text()):
        assert json.loads(inside)["n"] in {True, False}
    assert result.end.finish_reason in {"stop", "length"}


async def test_a_cut_by_max_tokens_is_said_to_be_one(engine: Engine):
    result = await answer(engine, request(constraint=Constraint.of("json_schema", PERSON), max_tokens=5))
    with pytest.raises(json.JSONDecodeError):
        json.loads(result.text())
    assert result.end.finish_reason == "length"
    assert [event.finish_reason for event in result.events if isinstance(event, CandidateFinished)] == ["length"]


def test_max_tokens_is_cut_to_the_room_that_the_prompt_leaves():
    asked = request(max_tokens=500)
    assert vllm_adapter._sampling_params(asked, room=3).max_tokens == 3
    assert vllm_adapter._sampling_params(asked, room=8000).max_tokens == 500


async def test_fifty_generations_against_a_bounded_schema_are_fifty_valid_documents(engine: Engine):
    schema = Constraint.of("json_schema", PERSON)
    asked = [request(f"Describe person {n}.", constraint=schema, max_tokens=100, temperature=0.8) for n in range(50)]
    results = await asyncio.gather(*(answer(engine, one) for one in asked))
    assert [result.end.finish_reason for result in results] == ["stop"] * 50
    assert all(Draft202012Validator(PERSON).is_valid(json.loads(result.text())) for result in results)


async def test_candidates_are_told_apart_and_counted_together(engine: Engine):
    result = await answer(engine, request(n=3, temperature=1.0, max_tokens=8))
    finished = [event for event in result.events if isinstance(event, CandidateFinished)]
    assert sorted(event.index for event in finished) == [0, 1, 2]
    assert len({result.text(index) for index in range(3)}) > 1
    assert result.end.usage.completion_tokens == sum(e.tokens for e in result.events if isinstance(e, Delta))


async def test_the_same_seed_writes_the_same_text(engine: Engine):
    texts = [(await answer(engine, request(seed=seed, temperature=1.0))).text() for seed in (7, 7, 8)]
    assert texts[0] == texts[1] != texts[2]


async def test_with_a_seed_several_prompts_may_be_longer_than_a_step_together(engine: Engine):
    prompts = [f"{place}. " + "The sea is wide, and the ships are small. " * 120 for place in ("Brest", "Cork", "Vigo")]
    results = await asyncio.gather(*(answer(engine, request(prompt, seed=7, max_tokens=4)) for prompt in prompts))
    assert [result.end.usage.completion_tokens for result in results] == [4, 4, 4]


async def test_an_answer_goes_on_from_its_opening_which_is_no_part_of_it(engine: Engine):
    begun = request("Count.").model_copy(update={"opening": "one, two, three, four, five, six,"})
    usual, opened = await answer(engine, request("Count.")), await answer(engine, begun)
    assert opened.text().startswith(" seven")
    assert opened.end.usage.prompt_tokens > usual.end.usage.prompt_tokens


async def test_code_in_a_fence_ends_where_the_fence_is_closed(engine: Engine):
    source = Constraint(kind="grammar", source='start: "x = 1" ("\\ny = " /[0-9]/){0,3} "\\n"?')
    asked = fenced(request("Write `x = 1` in Python.", constraint=source, max_tokens=64), "python")
    found = await answer(engine, asked)
    assert re.fullmatch(r"x = 1(\ny = [0-9]){0,3}\n?", found.text())
    assert found.end.finish_reason == "stop"


async def test_a_stop_sequence_ends_the_text_before_it(engine: Engine):
    counting = Constraint.of("grammar", 'start: "one two three four"')
    result = await answer(engine, request(constraint=counting, stop=("three",)))
    assert result.text() == "one two "
    assert result.end.finish_reason == "stop"


async def test_log_probabilities_come_with_as_many_alternatives_as_asked_for(engine: Engine):
    result = await answer(engine, request(logprobs=2, max_tokens=4))
    positions = [position for event in result.events if isinstance(event, Delta) for position in event.logprobs]
    assert len(positions) == 4
    assert all(position.logprob <= 0 and len(position.top) == 2 for position in positions)
    assert [position.token for position in positions] == [position.top[0][0] for position in positions]  # greedy
    without = await answer(engine, request(logprobs=0, max_tokens=1))
    assert [p.top for e in without.events if isinstance(e, Delta) for p in e.logprobs] == [()]


async def test_a_prefix_seen_before_is_served_by_the_cache(engine: Engine):
    prompt = "The sea is wide and the wind is cold. " * 40
    first = await answer(engine, request(prompt, max_tokens=1))
    second = await answer(engine, request(prompt, max_tokens=1))
    assert first.end.usage.cached_tokens < second.end.usage.cached_tokens < second.end.usage.prompt_tokens
    assert second.end.usage.cached_tokens >= 128


async def test_a_prompt_that_leaves_no_room_is_refused_before_the_first_event(engine: Engine):
    with pytest.raises(PromptTooLong) as refusal:
        await answer(engine, request("sea " * 9000))
    assert refusal.value.tokens > 9000 > refusal.value.limit == 8191


async def test_what_cannot_be_made_tokens_of_is_refused_with_its_place(engine: Engine):
    with pytest.raises(Refused, match="surrogate") as refusal:
        await answer(engine, request([Message(role="system", content="x"), Message(role="user", content="a\ud800")]))
    assert refusal.value.pointer == "/messages/1/content"
    with pytest.raises(Refused, match="empty"):
        await answer(engine, request("", raw=True))


async def test_a_constraint_that_validation_missed_is_refused_not_ignored(engine: Engine):
    with pytest.raises(ConstraintRefused, match="Grammar error"):
        await answer(engine, request(constraint=Constraint.of("grammar", "start: (")))
    assert (await engine.status()).running == 0


async def test_closing_the_stream_ends_the_generation(engine: Engine):
    async with aclosing(engine.generate(request(max_tokens=2000))) as events:
        await anext(events)
        assert (await engine.status()).running == 1
    assert (await engine.status()).running == 0
    assert engine._core is not None
    assert engine._core.output_processor.request_states == {}  # type: ignore[attr-defined]  # vLLM's own account


async def test_cancelling_the_consumer_ends_the_generation(engine: Engine):
    started = asyncio.Event()

    async def consume() -> None:
        async for _ in engine.generate(request(max_tokens=2000)):
            started.set()

    task = asyncio.create_task(consume())
    await started.wait()
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    assert (await engine.status()).running == 0


async def test_a_deadline_ends_the_generation_and_never_the_consumers_own_work(engine: Engine):
    events = engine.generate(request(max_tokens=2000, timeout_s=1.0))
    await anext(events)
    await asyncio.sleep(1.2)  # past the deadline, in the consumer's own time
    with pytest.raises(GenerationTimeout):
        await drain(events)
    assert (await engine.status()).running == 0


async def test_more_sequences_than_the_batch_takes_are_waiting(engine: Engine):
    streams = [engine.generate(request(n=16, temperature=1.0, max_tokens=200)) for _ in range(3)]
    await asyncio.gather(*(anext(stream) for stream in streams[:2]))
    third = asyncio.ensure_future(anext(streams[2]))
    await asyncio.sleep(0.1)
    status = await engine.status()
    third.cancel()
    await asyncio.wait({third})
    for stream in streams:
        await stream.aclose()
    assert (status.running, status.waiting) == (32, 16)
