"""The way forward, on the real engine: what a 135M model means is its own; that it is valid is ours."""

import ast
import json
from typing import Any

import jsonschema
import pytest

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.engine import Engine
from functions.failures import GenerationCut, PromptTooLong, Refused
from functions.forward import Forward, canonical
from functions.ir import IntermediateRepresentation, ir_schema
from functions.prompting import repair_text, specification_text
from functions.sandbox import ProcessSandbox
from functions.validation import ConstraintValidator
from functions.verification import signature_of
from infra.settings import Settings

NONSENSE = ("do the thing", "🙂")


@pytest.fixture
def forward(engine: Engine, validator: ConstraintValidator, store: FileStore, settings: Settings) -> Forward:
    return Forward(engine, ConstraintCompiler(validator, store), ProcessSandbox(settings.sandbox), settings)


@pytest.mark.parametrize(
    "prompt",
    ["Return the sum of the even numbers in a list.", "Gib die Anzahl der Vokale.", *NONSENSE],
)
async def test_any_prompt_gives_a_valid_specification_and_code_with_its_head(forward: Forward, prompt: str):
    stages: list[str] = []

    async def progress(stage: str, _data: dict[str, object]) -> None:
        stages.append(stage)

    specified = await forward.specify(prompt, progress=progress)
    jsonschema.validate(json.loads(specified.ir.model_dump_json()), ir_schema())
    assert specified.usage.completion_tokens > 0
    assert specified.ir.metadata.prompt_version == "specify.v2"
    try:
        implemented = await forward.implement(specified.ir, repairs=0, progress=progress)
    except GenerationCut:
        assert prompt in NONSENSE, "a model of 135M need not come to an end with what means nothing; it is told"
        return
    ast.parse(implemented.code)
    assert signature_of(implemented.code) == signature_of(specified.ir.signature.to_source() + ": pass")
    assert implemented.evidence["checks"][0] == {"name": "parses", "verdict": "passed", "detail": ""}
    assert {"specifying", "implementing", "candidate", "delta"} <= set(stages)


async def test_the_best_of_several_candidates_is_kept(forward: Forward):
    ir = IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Return the argument plus one."},
            "signature": {"name": "next_one", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
            "examples": [{"arguments": ["1"], "result": "2"}, {"arguments": ["-1"], "result": "0"}],
        }
    )
    implemented = await forward.implement(ir, candidates=4, repairs=0)
    assert len(implemented.candidates) == 4
    best = max(c.evidence.score for c in implemented.candidates if c.finish_reason == "stop")
    kept = next(c for c in implemented.candidates if c.code == implemented.code)
    assert kept.evidence.score == best
    assert implemented.passed == kept.evidence.passed


async def test_the_first_that_passes_ends_the_others_and_what_was_written_is_counted(forward: Forward, engine: Engine):
    ir = IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Return any integer."},
            "signature": {"name": "some_number", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
        }
    )
    told: list[dict[str, Any]] = []

    async def progress(stage: str, data: dict[str, Any]) -> None:
        if stage == "candidate":
            told.append(data)

    implemented = await forward.implement(ir, candidates=4, repairs=2, progress=progress)
    assert implemented.passed, told
    assert implemented.best.fate == "passed"
    passed = [candidate["passed"] for candidate in told]
    assert passed == [False] * (len(told) - 1) + [True], "nothing is told after the one that passed"
    assert told[-1]["code"] == implemented.code, "the best may be an earlier one with the same text"
    assert [candidate.index for candidate in implemented.candidates] == [0, 1, 2, 3]
    assert {candidate.round for candidate in implemented.candidates} == {0}
    assert implemented.usage.completion_tokens == sum(candidate.tokens for candidate in implemented.candidates) > 0
    assert implemented.usage.prompt_tokens > implemented.best.tokens
    assert (await engine.status()).running == 0, "the others have been aborted"


async def test_a_repair_is_told_what_failed_and_with_which_input(forward: Forward):
    ir = IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Return the argument plus one."},
            "signature": {"name": "next_one", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
            "assertions": [{"expression": "result != result + n - n"}],
        }
    )
    implemented = await forward.implement(ir, candidates=2, repairs=1)
    assert not implemented.passed
    assert {candidate.round for candidate in implemented.candidates} == {0, 1}
    failures = [check for candidate in implemented.candidates for check in candidate.evidence.failures]
    text = repair_text(specification_text(ir), "def next_one(n: int) -> int:\n    return 0\n", failures)
    assert all(check.detail in text for check in failures[:5])
    broken = [check.detail for check in failures if check.name == "assertion 1"]
    assert all("so not: result != result + n - n" in detail for detail in broken)


OWN_GRAMMAR = """start: code
code: "def next_one(n: int) -> int:\\n    return n" (" + 1")?
"""


async def test_a_grammar_of_ones_own_is_the_whole_answer(
    engine: Engine, validator: ConstraintValidator, store: FileStore, settings: Settings
):
    prompts = settings.prompts.model_copy(update={"implement": [{"implement.v3": 1}]})
    settings = settings.model_copy(update={"prompts": prompts})
    forward = Forward(engine, ConstraintCompiler(validator, store), ProcessSandbox(settings.sandbox), settings)
    ir = IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "Return the argument plus one."},
            "signature": {"name": "next_one", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
            "constraints": [{"name": "own", "rule": {"type": "lark", "grammar": OWN_GRAMMAR}}],
        }
    )
    implemented = await forward.implement(ir, candidates=1, repairs=0)
    assert implemented.code.startswith("def next_one(n: int) -> int:\n    return n")


async def test_an_empty_prompt_is_refused_with_its_place(forward: Forward):
    with pytest.raises(Refused) as refusal:
        await forward.specify(" \n")
    assert refusal.value.pointer == "/prompt"


async def test_a_prompt_beyond_the_context_is_refused_with_its_length(forward: Forward):
    with pytest.raises(PromptTooLong, match="tokens long; this model takes at most 8191"):
        await forward.specify("all work and no play " * 5_000)


def test_space_in_empty_lines_is_not_kept_but_in_strings():
    text = 'def f() -> str:\n    x = """a\n    \n  b"""\n    \n    # c\n        \n    return x\n  '
    kept = 'def f() -> str:\n    x = """a\n    \n  b"""\n\n    # c\n\n    return x\n'
    assert canonical(text) == kept
    assert canonical(kept) == kept
    assert canonical("def f(:\n  ") == "def f(:\n  "
