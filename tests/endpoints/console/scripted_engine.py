"""An engine that writes what it was told to, piece by piece: for how the console looks while something is written.

It chooses nothing and enforces nothing; what a model makes of an order is tested with the real engine.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from functions.generation import (
    CandidateFinished,
    Delta,
    EngineStatus,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Timing,
    Usage,
)

SPECIFICATION = {
    "summary": "Sum the even numbers in a list of integers",
    "name": "sum_even",
    "parameters": [{"name": "numbers", "type": "list[int]"}],
    "returns": "int",
    "raises": [],
    "effects": [],
    "examples": [
        {"arguments": ["[1, 2, 3, 4]"], "result": "6"},
        {"arguments": ["[]"], "result": "0"},
        {"arguments": ["[-2, 7]"], "result": "-2"},
    ],
    "assertions": ["result % 2 == 0"],
    "questions": [],
}

CODE = '''def sum_even(numbers: list[int]) -> int:
    """Sum the even numbers in a list of integers."""
    total = 0
    for number in numbers:
        if number % 2 == 0:
            total += number
    return total
'''

QUESTION = {
    "about": "intent",
    "question": "What is the sum when no number in the list is even?",
    "suggestions": ["0", "raise ValueError"],
}


@dataclass
class ScriptedEngine:
    """`specification` answers a JSON schema, `code` a grammar, `answer` a small question, `text` all else.

    `pause_s` comes before each piece. `asked` has what the last turn of each request said.
    """

    specification: dict[str, object] = field(default_factory=lambda: dict(SPECIFICATION))
    code: str = CODE
    text: str = "green"
    answer: dict[str, object] = field(default_factory=lambda: {"summary": "Sum the even numbers, if there are any"})
    pause_s: float = 0.0
    failure: Exception | None = None
    asked: list[str] = field(default_factory=list)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        if self.failure is not None:
            raise self.failure
        self.asked.append(request.messages[-1].content if request.messages else request.prompt or "")
        kind = request.constraint.kind if request.constraint else None
        texts = {"json_schema": json.dumps(self.specification), "grammar": self.code}
        text = texts.get(kind or "", self.text) if request.id.startswith("forward") else self.text
        text = json.dumps(self.answer) if request.id.startswith("asked") else text
        pieces = [text[i : i + 5] for i in range(0, len(text), 5)]
        for piece in pieces:
            await asyncio.sleep(self.pause_s)
            yield Delta(text=piece, tokens=1)
        yield CandidateFinished(index=0, finish_reason="stop")
        yield Finished(
            finish_reason="stop",
            usage=Usage(prompt_tokens=20, cached_tokens=0, completion_tokens=len(pieces)),
            timing=Timing(time_to_first_token_s=self.pause_s, total_s=self.pause_s * len(pieces)),
        )

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="scripted", running=0, waiting=0)
