"""One small question to the model, answered in a bounded schema: for what cannot be read off, and no more."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.failures import GenerationCut
from functions.generation import (
    Constraint,
    Delta,
    EngineClient,
    Finished,
    GenerationRequest,
    Sampling,
    Timing,
    Usage,
)
from functions.ir import decoding_schema
from functions.prompting import load_prompt
from infra.settings import Settings

MAX_TOKENS = 300
"""More than what the schemas' bounds allow of one clause."""


@dataclass(frozen=True)
class Asked:
    """The answer, which has the schema's shape, and what it took."""

    value: dict[str, Any]
    usage: Usage
    timing: Timing


class Asker:
    """Asks an engine."""

    def __init__(self, engine: EngineClient, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings

    @property
    def model(self) -> str:
        """The model that answers."""
        return self._settings.engine.model

    async def ask(self, prompt: str, words: str, members: tuple[str, ...]) -> Asked:
        """Put `words` to the model under a prompt's version; it answers with `members` of a specification.

        Raises `PromptTooLong`, `EngineUnavailable`, `GenerationTimeout`, and `GenerationCut`.
        """
        request = GenerationRequest(
            id=f"asked-{uuid.uuid4()}",
            messages=load_prompt(prompt).messages(words),
            sampling=Sampling(max_tokens=MAX_TOKENS, temperature=0.0),
            constraint=Constraint.of("json_schema", part_schema(members)),
            timeout_s=self._settings.generation.timeout_s,
        )
        text = ""
        finished: Finished | None = None
        async for event in self._engine.generate(request):
            match event:
                case Delta():
                    text += event.text
                case Finished():
                    finished = event
        if finished is None or finished.finish_reason != "stop":
            raise GenerationCut("the answer", MAX_TOKENS)
        return Asked(json.loads(text), finished.usage, finished.timing)


def part_schema(members: tuple[str, ...]) -> Mapping[str, Any]:
    """The schema of a whole specification as a model writes it, without all but `members`."""
    whole = decoding_schema()
    parts = {name: whole["properties"][name] for name in members}
    return {**whole, "properties": parts, "required": list(parts)}
