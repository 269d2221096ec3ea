"""A round that is shown what a model has guessed, where no candidate holds it; by an engine that follows a script."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import pytest

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.forward import Forward
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
from functions.ir import IntermediateRepresentation
from functions.sandbox import ProcessSandbox
from functions.validation import ConstraintValidator
from infra.settings import Settings

HEAD = "def pages(text: str) -> int:\n    return "
PLAIN = f"{HEAD}len(text)\n"
COUNTED = f"{HEAD}len(text.split(','))\n"
FITTED = f"{HEAD}2 if text == '1,2' else len(text)\n"
UNKNOWN = f"{HEAD}size(text)\n"
COUNTED_OTHERWISE = [
    COUNTED,
    f"{HEAD}text.count(',') + 1\n",
    f"{HEAD}1 + text.count(',')\n",
    f"{HEAD}-~text.count(',')\n",
]
IR = IntermediateRepresentation.model_validate(
    {
        "intent": {"summary": "Count the pages."},
        "signature": {"name": "pages", "parameters": [{"name": "text", "type": "str"}], "returns": "int"},
        "examples": [{"arguments": ["'1,2'"], "result": "2"}],
        "metadata": {"provenance": {"/examples/0": {"source": "model"}}},
    }
)


@dataclass
class Writer:
    """Writes `plain` in turn, its last text again and again; `shown` where the prompt shows the guess."""

    plain: list[str]
    shown: list[str]
    asked: list[int] = field(default_factory=list)

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        is_shown = "pages('1,2') == 2" in request.messages[-1].content
        number = request.sampling.n
        self.asked.append(number)
        for index in range(number):
            yield Delta(index=index, text=self._next(self.shown if is_shown else self.plain), tokens=1)
            yield CandidateFinished(index=index, finish_reason="stop")
        usage = Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=number)
        yield Finished(finish_reason="stop", usage=usage, timing=Timing(time_to_first_token_s=0.0, total_s=0.0))

    @staticmethod
    def _next(texts: list[str]) -> str:
        return texts.pop(0) if len(texts) > 1 else texts[0]

    async def status(self) -> EngineStatus:
        return EngineStatus(state="ready", model="scripted", running=0, waiting=0)


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        ([COUNTED, COUNTED], COUNTED),
        ([COUNTED, FITTED], PLAIN),
        ([PLAIN, PLAIN], PLAIN),
    ],
    ids=["two bear it out", "one does and one fits it", "none does"],
)
async def test_what_is_shown_a_guess_is_taken_where_two_bear_it_out(
    validator: ConstraintValidator, store: FileStore, settings: Settings, shown: list[str], kept: str
):
    writer = Writer([PLAIN], [*shown])
    forward = Forward(writer, ConstraintCompiler(validator, store), ProcessSandbox(settings.sandbox), settings)
    implemented = await forward.implement(IR, candidates=4, repairs=1)
    assert implemented.code == kept
    assert sum(writer.asked) == 6, "half as many are shown the guesses"
    assert [candidate.round for candidate in implemented.candidates] == [0] * 4 + [1] * 2


@pytest.mark.parametrize(("first", "repairs", "candidates"), [(COUNTED, 1, 4), (PLAIN, 0, 4), (PLAIN, 1, 1)])
async def test_no_such_round_where_a_guess_holds_or_none_is_allowed_or_one_alone_is_wanted(
    validator: ConstraintValidator, store: FileStore, settings: Settings, first: str, repairs: int, candidates: int
):
    writer = Writer([first], [])
    forward = Forward(writer, ConstraintCompiler(validator, store), ProcessSandbox(settings.sandbox), settings)
    implemented = await forward.implement(IR, candidates=candidates, repairs=repairs)
    assert implemented.code == first
    assert sum(writer.asked) == candidates


async def test_a_repair_is_not_ended_by_two_that_agree_on_guesses(
    validator: ConstraintValidator, store: FileStore, settings: Settings
):
    writer = Writer([UNKNOWN] * 4 + COUNTED_OTHERWISE, [])
    forward = Forward(writer, ConstraintCompiler(validator, store), ProcessSandbox(settings.sandbox), settings)
    implemented = await forward.implement(IR, candidates=4, repairs=1)
    fates = [candidate.fate for candidate in implemented.candidates]
    assert fates[:4] == ["failed"] * 4
    assert fates[4:].count("passed") >= 3, "more than half of four"
