"""A generation that vLLM breaks off: a core that does so when it is told to, in the place of a real one."""

from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from functions import vllm_adapter, vllm_outputs
from functions.failures import EngineUnavailable
from functions.generation import (
    CandidateFinished,
    Constraint,
    Delta,
    GenerationEvent,
    GenerationRequest,
    Message,
    Sampling,
)

ASKED = GenerationRequest(
    id="asked",
    messages=(Message(role="user", content="A colour?"),),
    sampling=Sampling(max_tokens=8, temperature=1.0),
    constraint=Constraint.of("choice", ["red"]),
)


def said(*token_ids: int, finish_reason: str | None = None) -> Any:
    """As much of a `RequestOutput` as is read."""
    text = "red" if token_ids else ""
    candidate = SimpleNamespace(index=0, token_ids=token_ids, text=text, logprobs=None, finish_reason=finish_reason)
    return SimpleNamespace(outputs=[candidate])


class Core:
    """Answers each call with the next of `answers`."""

    def __init__(self, *answers: list[Any]) -> None:
        self.answers = list(answers)

    async def generate(self, _prompt: Any, _params: Any, _request_id: str) -> AsyncGenerator[Any, None]:
        for output in self.answers.pop(0):
            yield output


async def events(core: Core) -> list[GenerationEvent]:
    """What the engine makes of what the core says."""
    outputs = vllm_adapter.outputs(cast("vllm_adapter.Core", core), ASKED, [1, 2], "id", 100)
    return [event async for output in outputs for event in vllm_outputs.events(output, None)]


async def test_what_breaks_off_before_its_first_token_is_asked_once_more():
    core = Core([said(0, finish_reason="error")], [said(6), said(finish_reason="stop")])
    assert await events(core) == [Delta(text="red", tokens=1), CandidateFinished(index=0, finish_reason="stop")]


async def test_what_breaks_off_again_or_in_the_middle_is_said_to():
    with pytest.raises(EngineUnavailable, match="broke off"):
        await events(Core([said(0, finish_reason="error")], [said(0, finish_reason="error")]))
    core = Core([said(6), said(0, finish_reason="error")], [said(6)])
    with pytest.raises(EngineUnavailable, match="broke off"):
        await events(core)
    assert len(core.answers) == 1
