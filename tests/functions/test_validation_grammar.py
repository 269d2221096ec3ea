"""What is tried is what the engine compiles: compared with vLLM's own code, byte by byte."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, reject, settings
from llguidance import LLMatcher

from functions.failures import ConstraintRefused
from functions.validation import ConstraintValidator, Verdict
from functions.validation_grammar import admission_grammar, engine_grammar, structural_tag_as_lark
from functions.validation_tokenizer import load_tokenizer
from functions.vllm_adapter import structured_outputs
from tests.functions.validation_strategies import json_schemas
from tests.hostile.corpus import Case, corpus
from tests.hostile.test_hostile_constraints import judged

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # torch uses what it deprecates
    from vllm.sampling_params import SamplingParams, StructuredOutputsParams, check_json_nesting
    from vllm.v1.structured_output.backend_guidance import serialize_guidance_grammar, validate_guidance_grammar
    from vllm.v1.structured_output.request import get_structured_output_key


@pytest.mark.parametrize("case", [case for case in corpus() if case.refused_at is None], ids=lambda case: case.name)
async def test_the_engine_admits_and_compiles_what_was_tried(validator: ConstraintValidator, case: Case):
    constraint = case.constraint
    assert isinstance(await judged(validator, constraint), Verdict)
    parameters = structured_outputs(constraint)
    check_json_nesting(parameters.json)
    validate_guidance_grammar(SamplingParams(structured_outputs=parameters))
    kind, specification = get_structured_output_key(parameters)
    ours = engine_grammar(constraint.kind, constraint.source)
    theirs = serialize_guidance_grammar(
        kind, specification, disable_any_whitespace=True, disable_additional_properties=True
    )
    assert ours == theirs
    assert same_json(
        admission_grammar(constraint.kind, constraint.source), serialize_guidance_grammar(kind, specification)
    )


@settings(max_examples=200, deadline=None)
@given(json_schemas())
def test_any_schema_is_serialised_as_vllm_does(schema: dict[str, Any]):
    try:
        source = json.dumps(schema, allow_nan=False)
    except ValueError:
        reject()  # not JSON, which validation refuses before it compiles
    kind, specification = get_structured_output_key(StructuredOutputsParams(json=source))
    assert engine_grammar("json_schema", source) == serialize_guidance_grammar(
        kind, specification, disable_any_whitespace=True, disable_additional_properties=True
    )


def test_the_schema_of_a_structural_tag_is_enforced(model_path: Path):
    llguidance_tokenizer = load_tokenizer(model_path / "tokenizer.json")
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}, "required": ["x"]}
    tag = {"triggers": ["<fn="], "structures": [{"begin": "<fn=a>", "schema": schema, "end": "</fn>"}]}
    grammar = structural_tag_as_lark(json.dumps(tag))

    def accepts(text: str) -> bool:
        matcher = LLMatcher(llguidance_tokenizer, grammar, log_level=0)
        tokens = llguidance_tokenizer.tokenize_str(text)
        return bool(matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting())

    assert accepts('see <fn=a>{"x":1}</fn> and <fn=a>{"x":2}</fn>.')
    for wrong in ('{"x":"1"}', "[1]", "{}", '{"x":1,"y":2}'):
        assert not accepts(f"<fn=a>{wrong}</fn>")


def test_a_kind_that_does_not_exist_is_refused():
    with pytest.raises(ConstraintRefused, match="no such kind"):
        engine_grammar("poem", "")


def same_json(a: str, b: str) -> bool:
    try:
        return bool(json.loads(a) == json.loads(b))
    except ValueError:
        return a == b
