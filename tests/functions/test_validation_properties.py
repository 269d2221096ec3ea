"""Whatever is sent, the answer is a verdict, or a refusal with words and a pointer that resolves."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.generation import Constraint
from functions.validation import ConstraintValidator, Refusal
from tests.functions.validation_strategies import grammars, json_schemas, regexes
from tests.hostile.test_hostile_constraints import judged, resolves

briefly = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
documents = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=10,
)


async def answers(validator: ConstraintValidator, constraint: Constraint) -> None:
    answer = await judged(validator, constraint)
    if isinstance(answer, Refusal):
        assert answer.reason
        assert len(answer.reason) <= 500
        assert answer.pointer == "" or resolves(constraint.source, answer.pointer)


@briefly
@given(json_schemas())
async def test_schemas(validator: ConstraintValidator, schema: dict[str, Any]):
    await answers(validator, Constraint.of("json_schema", schema))


@briefly
@given(documents)
async def test_documents_that_are_no_schemas(validator: ConstraintValidator, document: Any):
    await answers(validator, Constraint(kind="json_schema", source=json.dumps(document)))
    await answers(validator, Constraint(kind="structural_tag", source=json.dumps(document)))
    await answers(validator, Constraint(kind="choice", source=json.dumps(document)))


@briefly
@given(st.one_of(regexes(), st.text(max_size=30)))
async def test_regexes(validator: ConstraintValidator, pattern: str):
    await answers(validator, Constraint.of("regex", pattern))


@briefly
@given(st.one_of(grammars(), st.text(max_size=40).map("start: {}".format), st.text(max_size=40)))
async def test_grammars(validator: ConstraintValidator, grammar: str):
    await answers(validator, Constraint.of("grammar", grammar))


@briefly
@given(st.lists(st.text(max_size=10), max_size=6))
async def test_choices(validator: ConstraintValidator, choices: list[str]):
    await answers(validator, Constraint.of("choice", choices))
