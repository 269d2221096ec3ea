import json

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.ir import IntermediateRepresentation, Metadata, Signature, assume_first_suggestions, ir_schema
from functions.specification_checks import assertion_fault, checked_ir, fits

ADD = {
    "intent": {"summary": "Add two integers."},
    "signature": {
        "name": "add",
        "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int", "default": "0"}],
        "returns": "int",
    },
    "examples": [{"arguments": ["1", "2"], "result": "3"}],
}

WRITTEN = {
    "summary": "Add two integers.",
    "name": "add",
    "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}],
    "returns": "int",
    "raises": [],
    "effects": [],
    "examples": [{"arguments": ["1", "2"], "result": "3"}],
    "assertions": ["result == a + b"],
    "questions": [],
}


def written(**changes: object) -> IntermediateRepresentation:
    return checked_ir({**WRITTEN, **changes}, Metadata())


def test_a_specification_validates_against_the_published_schema():
    ir = IntermediateRepresentation.model_validate(ADD)
    schema = ir_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(ir.model_dump_json()), schema)


def test_the_signature_is_one_line_of_python():
    assert IntermediateRepresentation.model_validate(ADD).signature.to_source() == "def add(a: int, b: int = 0) -> int"


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("signature", "name"), "class"),
        (("signature", "name"), "a b"),
        (("signature", "returns"), "int]"),
        (("signature", "returns"), "(" * 500),
        (("assertions",), [{"expression": "result =="}]),
        (("unknown",), 1),
    ],
)
def test_what_cannot_be_python_is_refused(path: tuple[str, ...], value: object):
    document = json.loads(json.dumps(ADD))
    block = document
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    with pytest.raises(ValidationError) as refusal:
        IntermediateRepresentation.model_validate(document)
    assert refusal.value.errors()[0]["loc"][: len(path)] == path


def test_what_holds_stays_as_it_was_written():
    ir = written()
    assert [a.expression for a in ir.assertions] == ["result == a + b"]
    assert [e.result for e in ir.examples] == ["3"]
    assert not ir.holes


@pytest.mark.parametrize(
    ("example", "reason"),
    [
        ({"arguments": ["1"], "result": "3"}, "has 1 arguments, and add takes 2"),
        ({"arguments": ["1", "'2'"], "result": "3"}, "'2' is not of type int"),
        ({"arguments": ["1", "2"], "result": "'3'"}, "'3' is not of type int"),
    ],
)
def test_an_example_that_does_not_fit_becomes_a_hole_with_the_reason(example: dict[str, object], reason: str):
    ir = written(examples=[example])
    assert not ir.examples
    assert reason in ir.holes[0].question


def test_of_arguments_that_were_meant_as_one_list_the_list_is_suggested():
    example = {"arguments": ["1", "2"], "result": "3"}
    numbers = [{"name": "numbers", "type": "list[int]"}]
    assert written(parameters=numbers, examples=[example]).holes[0].suggestions == ["add([1, 2]) == 3"]
    words = [{"name": "words", "type": "list[str]"}]
    assert written(parameters=words, examples=[example]).holes[0].suggestions == []


def test_an_example_that_contradicts_another_becomes_a_hole():
    ir = written(examples=[{"arguments": ["1", "2"], "result": "3"}, {"arguments": ["1", "2"], "result": "4"}])
    assert [e.result for e in ir.examples] == ["3"]
    assert "otherwise" in ir.holes[0].question


@pytest.mark.parametrize("text", ["result ==", "c > 0", "1 == 1", "import os"])
def test_an_assertion_that_cannot_be_checked_becomes_a_hole(text: str):
    ir = written(assertions=[text])
    assert not ir.assertions
    assert text in ir.holes[0].question
    assert not ir.open_holes, "code can be written without it"


def test_names_that_a_comprehension_binds_are_known():
    signature = Signature.model_validate(ADD["signature"])
    assert assertion_fault("all(x >= a for x in range(b))", signature) is None
    assert assertion_fault("sorted(range(a), key=lambda y: -y)[0] <= result", signature) is None


def test_names_that_python_reserves_get_an_underscore():
    ir = written(name="match", parameters=[{"name": "from", "type": "int"}, {"name": "from", "type": "int"}])
    assert ir.signature.to_source() == "def match_(from_: int, from_2: int) -> int"


def test_a_question_of_the_intent_is_open_until_it_is_answered():
    ir = written(questions=[{"about": "intent", "question": "Which thing?", "suggestions": ["a list", "a text"]}])
    assert [hole.question for hole in ir.open_holes] == ["Which thing?"]
    answered = assume_first_suggestions(ir)
    assert not answered.open_holes
    assert answered.holes[0].answer == "a list"


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()


@given(SCALARS)
def test_a_value_fits_its_own_type(value: object):
    name = "None" if value is None else type(value).__name__
    assert fits(value, name)
    assert fits([value], f"list[{name}]")
    assert fits({"a": (value,)}, f"dict[str, tuple[{name}]]")
    assert fits(value, f"{name} | None")


@pytest.mark.parametrize(
    ("value", "annotation"),
    [(True, "int"), (1, "bool"), (1, "str"), ([1], "list[str]"), ((1, 2), "tuple[int]"), ({1: 2}, "dict[str, int]")],
)
def test_a_value_of_another_type_does_not_fit(value: object, annotation: str):
    assert not fits(value, annotation)


def test_a_type_that_is_not_known_fits_everything():
    assert fits(1, "Decimal")
    assert fits((1, 2, 3), "tuple[int, ...]")
