"""Schemas as people write them, which the engine would close until nothing satisfies them."""

import json
from typing import Any

import pytest

from functions.cache import FileStore
from functions.constraints.compilation import ConstraintCompiler
from functions.constraints.schema_parts import with_shared_names
from functions.failures import ConstraintRefused
from functions.generation import Constraint
from functions.validation import ConstraintValidator

ONE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
OTHER = {"type": "object", "properties": {"b": {"type": "integer"}}, "required": ["b"]}
DEFINED = {"definitions": {"one": ONE, "other": OTHER}}
BOTH = '{"a":"x","b":1}'
OTHER_WAY = '{"b":1,"a":"x"}'
CASES: list[tuple[dict[str, Any], str, str]] = [
    ({**OTHER, "required": ["b", "c"]}, '{"b":1,"c":[2]}', '{"b":1}'),
    ({"allOf": [ONE, OTHER]}, BOTH, '{"a":"x"}'),
    ({"allOf": [{"$ref": "#/definitions/one"}, {"$ref": "#/definitions/other"}], **DEFINED}, BOTH, '{"b":1}'),
    ({"allOf": [{"$ref": "#/definitions/one"}], **OTHER, **DEFINED}, BOTH, '{"b":1}'),
    ({"allOf": [{"allOf": [ONE]}, {"anyOf": [OTHER, {"$ref": "#/definitions/one"}]}], **DEFINED}, BOTH, '{"b":1}'),
    ({"$ref": "#/definitions/one", **OTHER, **DEFINED}, OTHER_WAY, '{"b":1}'),
    (
        {"$ref": "#/$defs/x", "properties": {"c": {}}, "$defs": {"x": {"$ref": "#/$defs/y", **OTHER}, "y": ONE}},
        OTHER_WAY,
        "1",
    ),
    ({**ONE, "anyOf": [OTHER, {"properties": {"c": {}}, "required": ["c"]}]}, BOTH, '{"a":"x"}'),
]


@pytest.mark.parametrize(("schema", "good", "bad"), CASES)
async def test_what_parts_ask_for_together_can_be_written(
    validator: ConstraintValidator, store: FileStore, schema: dict[str, Any], good: str, bad: str
):
    examples = {"type": "examples", "good": [good], "bad": [bad]}
    rules = [{"type": "json_schema", "schema": schema}, examples]
    before = json.dumps(schema)
    assert (await ConstraintCompiler(validator, store).compile_json([{"rule": rule} for rule in rules])).constraint
    assert json.dumps(schema) == before


@pytest.mark.parametrize(
    "schema",
    [
        {"allOf": [ONE, ONE]},
        {"allOf": [{"$ref": "#/definitions/one"}, {"$ref": "other.json"}, True], **DEFINED},
        {"properties": {"allOf": {"type": "string"}}, "const": {"allOf": [ONE, OTHER]}},
        {"allOf": {}, "anyOf": [1, []], "properties": []},
        {"allOf": [{"$ref": "#/definitions/none"}, {"$ref": "#/definitions/one/type/x"}, ONE], **DEFINED},
        {"allOf": [{"$ref": "#/definitions/a"}, ONE], "definitions": {"a": {"$ref": "#/definitions/b"}, "b": OTHER}},
    ],
)
def test_what_needs_no_names_stays_as_it_is(schema: dict[str, Any]):
    assert with_shared_names(schema) == schema


def test_a_definition_that_refers_to_itself_is_written_out_a_few_times():
    schema = {"allOf": [{"$ref": "#/$defs/a"}, ONE], "$defs": {"a": {**OTHER, "allOf": [{"$ref": "#/$defs/a"}, ONE]}}}
    assert len(json.dumps(with_shared_names(schema))) < 100_000


def test_required_properties_are_listed_where_the_engine_closes():
    schema = {"properties": {"a": {**OTHER, "required": ["b", "c"]}}, "required": ["d"], "additionalProperties": True}
    sent = json.loads(Constraint.of("json_schema", schema).source)
    assert list(sent["properties"]) == ["a"]
    assert list(sent["properties"]["a"]["properties"]) == ["b", "c"]


async def test_a_fault_in_what_a_part_refers_to_is_placed_where_it_is_referred_to(
    validator: ConstraintValidator, store: FileStore
):
    parts = [{"$ref": "#/definitions/one"}, {**OTHER, "properties": {"b": {"not": {}}}}]
    for schema in (
        {"allOf": parts, **DEFINED},
        {"allOf": parts[:1], **OTHER, "definitions": {"one": {**ONE, "properties": {"a": {"not": {}}}}}},
    ):
        with pytest.raises(ConstraintRefused) as refused:
            await ConstraintCompiler(validator, store).compile_json(
                [{"rule": {"type": "json_schema", "schema": schema}}]
            )
        assert refused.value.pointer.startswith("/0/rule/schema/")
