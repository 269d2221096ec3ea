"""Tokens that a grammar forces are taken several in a step, and change nothing of what is written: the real engine."""

import asyncio
import json
import uuid

import jsonschema
import pytest

from functions import vllm_adapter
from functions.engine import Engine
from functions.generation import Constraint, Delta, GenerationRequest, Message, Sampling
from infra.settings import load_settings

pytestmark = pytest.mark.skipif(
    load_settings("local").engine.forced_tokens == 0, reason="decision 0007: switched off in the settings"
)

SWITCH = "forced_tokens"
"""`functions.forced_tokens.SWITCH`: its module is for an engine's own processes, and brings all of vLLM with it."""

SCHEMA = {
    "type": "object",
    "properties": {
        "is_the_customer_known": {"type": "boolean"},
        "how_urgent_is_it": {"enum": ["low", "normal", "urgent"]},
        "which_department_answers": {"enum": ["sales", "support", "billing"]},
        "does_it_need_an_answer_today": {"type": "boolean"},
    },
    "required": [
        "is_the_customer_known",
        "how_urgent_is_it",
        "which_department_answers",
        "does_it_need_an_answer_today",
    ],
    "additionalProperties": False,
}
LARK = 'start: "The answer to your question is most certainly " ("yes" | "no") ", and nothing else."'
CONSTRAINTS = [
    Constraint.of("json_schema", SCHEMA),
    Constraint.of("grammar", LARK),
    Constraint.of("choice", ["a", "b"]),
]


def request(constraint: Constraint, **sampling: float) -> GenerationRequest:
    return GenerationRequest(
        id=uuid.uuid4().hex,
        messages=(Message(role="user", content="My invoice is wrong, and I need it today. Sort this mail."),),
        sampling=Sampling(**{"max_tokens": 120, "temperature": 0.0} | sampling),
        constraint=constraint,
    )


async def tokens(engine: Engine, asked: GenerationRequest, *, forced: bool) -> list[int]:
    """What the engine wrote."""
    core = engine._core
    assert core is not None
    prompt = vllm_adapter.prompt_token_ids(core, asked, 8192)
    params = vllm_adapter._sampling_params(asked, room=1000)
    params.extra_args = {SWITCH: forced}
    stream = core.generate({"prompt_token_ids": prompt}, params, asked.id)
    return [token async for output in stream for token in output.outputs[0].token_ids]


@pytest.mark.parametrize("constraint", CONSTRAINTS, ids=lambda constraint: constraint.kind)
async def test_the_likeliest_text_is_the_same_with_and_without(engine: Engine, constraint: Constraint):
    several = await tokens(engine, request(constraint), forced=True)
    assert several == await tokens(engine, request(constraint), forced=False)


async def test_what_is_forced_is_taken_in_one_step(engine: Engine):
    events = [event async for event in engine.generate(request(CONSTRAINTS[0]))]
    deltas = [event for event in events if isinstance(event, Delta)]
    assert max(delta.tokens for delta in deltas) > 4
    document = json.loads("".join(delta.text for delta in deltas))
    jsonschema.validate(document, SCHEMA)


async def test_a_text_ends_at_its_limit_also_among_forced_tokens(engine: Engine):
    for most in (1, 2, 5):
        events = [event async for event in engine.generate(request(CONSTRAINTS[0], max_tokens=most))]
        assert sum(event.tokens for event in events if isinstance(event, Delta)) == most


async def test_logprobs_of_forced_tokens_come_one_for_each(engine: Engine):
    events = [event async for event in engine.generate(request(CONSTRAINTS[1], logprobs=0))]
    deltas = [event for event in events if isinstance(event, Delta)]
    assert all(len(delta.logprobs) == delta.tokens for delta in deltas)
    assert "".join(logprob.token for delta in deltas for logprob in delta.logprobs).startswith("The answer")


async def test_a_seed_gives_the_same_text_again(engine: Engine):
    drawn = [await tokens(engine, request(CONSTRAINTS[0], temperature=1.0, seed=5), forced=True) for _ in range(3)]
    assert drawn[0] == drawn[1] == drawn[2]


async def test_with_a_temperature_what_is_forced_is_taken_too(engine: Engine):
    drawn = await asyncio.gather(
        *(tokens(engine, request(CONSTRAINTS[0], temperature=0.7, seed=seed), forced=True) for seed in range(8))
    )
    tokenizer = engine._core.get_tokenizer()  # type: ignore[union-attr] # it is running
    for ids in drawn:
        jsonschema.validate(json.loads(tokenizer.decode(ids, skip_special_tokens=True)), SCHEMA)
