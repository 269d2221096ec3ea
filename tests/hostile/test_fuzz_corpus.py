"""What fuzzing found worth keeping (`make fuzz`): each input is answered again, and the next one too."""

import contextlib
import json
from pathlib import Path
from typing import get_args

import pytest

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.failures import ConstraintRefused, ConstraintsConflict
from functions.generation import Constraint
from functions.validation import ConstraintValidator, Refusal, Verdict
from tests.hostile.test_hostile_constraints import judged

KINDS = {"j": "json_schema", "r": "regex", "l": "grammar"}
INPUTS: list[str] = json.loads((Path(__file__).parent / "fuzz_corpus.json").read_text())


def test_the_corpus_has_inputs_of_every_kind():
    assert {text[0] for text in INPUTS} == {"s", *KINDS}


@pytest.mark.parametrize("kind", ["s", *KINDS])
async def test_what_fuzzing_kept_is_compiled_or_refused(validator: ConstraintValidator, store: FileStore, kind: str):
    for text in (text[1:] for text in INPUTS if text[0] == kind):
        if kind in KINDS:
            answer = await judged(validator, Constraint(kind=KINDS[kind], source=text))
            assert isinstance(answer, get_args(Verdict | Refusal)), text
        else:
            await compiled_or_refused(ConstraintCompiler(validator, store), text)


async def compiled_or_refused(compiler: ConstraintCompiler, text: str):
    with contextlib.suppress(ValueError, ConstraintRefused, ConstraintsConflict):
        assert (await compiler.compile_json(json.loads(text), pointer="/constraints")).digest
