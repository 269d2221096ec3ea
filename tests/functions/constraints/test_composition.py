"""The parts that a compilation is made of, by their laws."""

import json
import re
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.constraints.inference import inferred_rule
from functions.constraints.json_schemas import NothingLeft, merged
from functions.constraints.pruning import without
from functions.constraints.word_patterns import any_of, escaped

WORDS = st.lists(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8), min_size=1, max_size=20
)


@given(WORDS, st.text(max_size=8), st.booleans())
def test_a_pattern_of_words_matches_them_and_nothing_else(words: list[str], other: str, factored: bool):  # noqa: FBT001
    pattern = re.compile(any_of(words, factored=factored))
    assert all(pattern.fullmatch(word) for word in words)
    assert bool(pattern.fullmatch(other)) == (other in words)
    assert re.fullmatch(escaped(other), other)


NUMBERS = st.integers(-5, 5)
SCHEMAS = st.recursive(
    st.one_of(
        st.just(True),  # noqa: FBT003 - the schema that everything satisfies
        st.fixed_dictionaries(
            {},
            optional={
                "type": st.sampled_from(["integer", "string", "boolean", "number"]),
                "minimum": NUMBERS,
                "maximum": NUMBERS,
                "maxLength": st.integers(0, 3),
            },
        ),
        st.builds(
            lambda values: {"enum": values}, st.lists(NUMBERS | st.booleans() | st.text("ab", max_size=2), min_size=1)
        ),
    ),
    lambda inner: (
        st.fixed_dictionaries(
            {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from("abc"), inner)},
            optional={
                "required": st.lists(st.sampled_from("abc"), unique=True),
                "additionalProperties": st.booleans() | inner,
            },
        )
        | st.fixed_dictionaries({"type": st.just("array"), "items": inner}, optional={"maxItems": st.integers(0, 3)})
    ),
    max_leaves=5,
)
VALUES = st.recursive(
    NUMBERS | st.booleans() | st.text("ab", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcd"), inner, max_size=3),
    max_leaves=6,
)


@given(SCHEMAS, SCHEMAS, VALUES)
def test_merged_schemas_ask_for_what_all_of_them_ask_for(one: Any, other: Any, value: Any):
    both = jsonschema.Draft202012Validator(one).is_valid(value) and jsonschema.Draft202012Validator(other).is_valid(
        value
    )
    try:
        together = merged([one, other])
    except NothingLeft:
        assert not both
        return
    assert jsonschema.Draft202012Validator(together).is_valid(value) == both, json.dumps(together)


def test_bounds_that_nothing_keeps_leave_the_values_of_other_types():
    bounds = {"minimum": 0, "maximum": -1}
    assert merged([{}, bounds]) == bounds
    assert merged([{"type": ["integer", "string"]}, bounds]) == {"type": ["integer", "string"], **bounds}
    with pytest.raises(NothingLeft, match="at least 0 and at most -1"):
        merged([{"type": "integer"}, bounds])


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ({"allOf": [{"minimum": 1}]}, {"allOf": [{"maximum": 2}]}, {"allOf": [{"minimum": 1}, {"maximum": 2}]}),
        ({"pattern": "a"}, {"pattern": "b"}, {"pattern": "a", "allOf": [{"pattern": "b"}]}),
        ({"pattern": "a", "allOf": [{}]}, {"pattern": "b"}, {"pattern": "a", "allOf": [{}, {"pattern": "b"}]}),
        ({"title": "x"}, {"title": "y", "description": "z"}, {"title": "x", "description": "z"}),
        ({"minLength": 1, "maxItems": 3}, {"minLength": 2, "maxItems": 2}, {"minLength": 2, "maxItems": 2}),
        ({"type": ["integer", "null"]}, {"type": ["null", "number"]}, {"type": ["integer", "null"]}),
        ({"type": "number"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": "string"}, {"type": ["string", "null"]}, {"type": "string"}),
        ({"enum": [1, 2, 3]}, {"enum": [3, 2]}, {"enum": [2, 3]}),
        ({"enum": [1, 2]}, {"const": 2}, {"const": 2}),
        ({"$defs": {"a": {}}}, {"$defs": {"a": {}, "b": True}}, {"$defs": {"a": {}, "b": True}}),
        ({"definitions": {"a": {}}}, {}, {"definitions": {"a": {}}}),
        ({"items": {"type": "string"}}, {"items": {"type": "null"}}, {"items": False}),
        ({"items": {"minimum": 1}}, {"items": True}, {"items": {"minimum": 1}}),
        ({"items": [{}]}, {"items": {"minimum": 1}}, {}),
        (
            {"properties": {"a": {"type": "string"}}, "required": ["b"]},
            {"properties": {"a": {"type": "null"}, "b": True}, "required": ["b"]},
            {"properties": {"a": False, "b": True}, "required": ["b"]},
        ),
        (
            {"properties": {"a": True}, "additionalProperties": {"minimum": 1}},
            {"properties": {"b": {"maximum": 3}}, "additionalProperties": False},
            {"properties": {"a": False, "b": {"minimum": 1, "maximum": 3}}, "additionalProperties": False},
        ),
        (
            {"additionalProperties": {"type": "null"}},
            {"additionalProperties": {"type": "string"}},
            {"additionalProperties": False},
        ),
    ],
)
def test_two_schemas_are_one(one: Any, other: Any, together: Any):
    assert merged([one, other]) == together


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        (True, False, "nothing is allowed at the root"),
        (
            {"properties": {"a": {"const": 1}}},
            {"properties": {"a": False}, "required": ["a"]},
            "/a is required, and noth",
        ),
        ({"type": "string"}, {"type": ["null", "array"]}, "the root would be string, and null or array"),
        ({"$defs": {"a": {"minimum": 1}}}, {"$defs": {"a": {}}}, "/\\$defs/a means two things"),
        ({"enum": [1]}, {"enum": ["1"]}, "no value is left for the root"),
        ({"type": "string", "minLength": 3}, {"maxLength": 2}, "at least 3 and at most 2"),
        ({"type": "array", "minItems": 3}, {"maxItems": 2}, "at least 3 and at most 2"),
        ({"type": "number", "exclusiveMinimum": 2}, {"maximum": 2}, "at least 2 and at most 2"),
        ({"type": "integer", "minimum": 2}, {"exclusiveMaximum": 2}, "at least 2 and at most 2"),
    ],
)
def test_nothing_is_left_of_schemas_that_exclude_each_other(one: Any, other: Any, why: str):
    with pytest.raises(NothingLeft, match=why):
        merged([one, other])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "minLength": 2, "maxLength": 2},
        {"type": "integer", "minimum": 2, "maximum": 2},
        {"type": "array", "minItems": 2, "maxItems": 2},
        {"type": "number", "exclusiveMinimum": 1, "maximum": 2},
        {"minLength": 3, "maxLength": 2},
    ],
)
def test_bounds_that_leave_a_value_are_kept(schema: dict[str, Any]):
    assert merged([{}, schema]) == schema


def test_true_is_not_one():
    for one, other in (({"enum": [1, 0]}, {"enum": [True]}), ({"const": True}, {"const": 1})):
        with pytest.raises(NothingLeft):
            merged([one, other])
    assert merged([{"not": {"const": True}}, {"not": {"const": 1}}]) == {
        "not": {"const": True}, "allOf": [{"not": {"const": 1}}]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('a "(" (b c)? ")"', 'a "(" ")"'),
        ("a (b | d)", "a (d)"),
        ("a b", None),
        ("a b? (x (b y)* z)?", "a (x z)?"),
        ("b | a", "a"),
        ("a (b)", None),
        ("x::incr(B) b::_{0,MAX}", "x::incr(B)"),
    ],
)
def test_an_alternative_loses_what_needs_a_rule_that_is_gone(text: str, left: str | None):
    assert without(text, {"b"}) == left


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        ("must match regex: [a-z]+", {"type": "regex", "pattern": "[a-z]+"}),
        ("Do not use eval", {"type": "forbid_calls", "calls": ["eval"]}),
        ("never call `os.system()`.", {"type": "forbid_calls", "calls": ["os.system"]}),
        ("avoid eval and exec", {"type": "forbid_calls", "calls": ["eval", "exec"]}),
        ("do not import pickle", {"type": "forbid_imports", "modules": ["pickle"]}),
        ("only import re and math", {"type": "allow_imports", "modules": ["re", "math"]}),
        ("no more than 40 lines", {"type": "max_lines", "max": 40}),
        ("Lines must have at most 100 characters", {"type": "max_line_length", "max": 100}),
        ("nesting of at most 3", {"type": "max_nesting", "max": 3}),
        ("every function must have a docstring", {"type": "require_docstring"}),
        ("all functions must have type hints", {"type": "require_annotations"}),
        ("no while loops", {"type": "forbid_syntax", "syntax": ["while"]}),
        ("do not use global variables", {"type": "forbid_syntax", "syntax": ["global"]}),
        ("Functions are named in snake_case", {"type": "naming", "functions": "snake_case"}),
        ("must call logger.info", {"type": "must_call", "calls": ["logger.info"]}),
        ("Must match the pattern: `a|b`.", {"type": "regex", "pattern": "a|b"}),
        ("must match regular expression a.b.", {"type": "regex", "pattern": "a.b."}),
        ("at most 80 characters per line", {"type": "max_line_length", "max": 80}),
        ("max 2 levels of nesting", {"type": "max_nesting", "max": 2}),
        ("docstrings are required", {"type": "require_docstring"}),
        ("All parameters need type annotations", {"type": "require_annotations"}),
        ("Every result must be annotated", {"type": "require_annotations"}),
        ("os and sys.path may be imported only", None),
        ("only os, sys and re may be imported", {"type": "allow_imports", "modules": ["os", "sys", "re"]}),
        ("imports without importing of pickle", {"type": "forbid_imports", "modules": ["pickle"]}),
        ("Never use comprehensions.", {"type": "forbid_syntax", "syntax": ["comprehension"]}),
        ("no bare except statements", {"type": "forbid_syntax", "syntax": ["bare_except"]}),
        ("classes must be avoided", None),
        ("do not use `foo`", {"type": "forbid_names", "names": ["foo"]}),
        ("do not use my_name or other_name", {"type": "forbid_names", "names": ["my_name", "other_name"]}),
        ("do not use foo()", {"type": "forbid_calls", "calls": ["foo"]}),
        ("do not use foo() or bar", None),
        ("do not invoke foo", {"type": "forbid_calls", "calls": ["foo"]}),
        ("always use logger.info", {"type": "must_call", "calls": ["logger.info"]}),
        ("always use foo()", {"type": "must_call", "calls": ["foo"]}),
        ("always use spaces", None),
        ("Class names follow PascalCase", {"type": "naming", "classes": "PascalCase"}),
        ("variables in camelCase, as is known", {"type": "naming", "variables": "camelCase"}),
        ("parameters are SNAKE_CASE", {"type": "naming", "parameters": "snake_case"}),
        ("Constants use SCREAMING_SNAKE_CASE", {"type": "naming", "constants": "UPPER_CASE"}),
        ("constants in UPPER_CASE", {"type": "naming", "constants": "UPPER_CASE"}),
        ("functions are not named in camelCase", None),
    ],
)
def test_a_plain_sentence_is_read_as_its_rule(words: str, rule: dict[str, Any] | None):
    found = inferred_rule(words, "python")
    assert (found and json.loads(found.rule.model_dump_json(exclude_none=True))) == rule
    assert found is None or 0 < found.confidence < 1


@pytest.mark.parametrize(
    "words",
    [
        "keep it simple",
        "be fast",
        "do not panic",
        "",
        "use good names",
        "avoid surprises",
        "x" * 1000,
        "no more bugs",
        "the function must be readable",
        "should not be slow",
        "must match regex: a{1000000}",
        "at most 0 lines",
        "at most 0 characters per line",
        "nesting of at most 1000",
        "do not call na\u00efve",
        "never call a..b",
        "x" * 460 + " do not use eval with more than 500 characters",
        "should have no docstrings",
        "must not be annotated",
        "docstrings are not required",
    ],
)
def test_what_is_not_plain_or_no_rule_could_hold_stays_prose(words: str):
    assert inferred_rule(words, "python") is None


def test_rules_about_code_are_read_of_code_alone():
    assert inferred_rule("do not import pickle", "typescript") is not None
    assert inferred_rule("do not import pickle", "json") is None
    assert inferred_rule("do not import pickle", "text") is None
    assert inferred_rule("must match pattern: a+", "text") is not None


def test_what_was_named_as_a_call_is_surer():
    confidences = [
        found.confidence
        for words in ("never call eval", "never use eval", "never use my_name", "must call eval", "no while loops")
        if (found := inferred_rule(words, "python"))
    ]
    assert confidences == [0.9, 0.7, 0.7, 0.7, 0.9]
