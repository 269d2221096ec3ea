"""Calls of functions: what the model may write of them, and how they are read from what it wrote."""

import json
from typing import Any

import pytest

from functions.failures import ConstraintRefused
from functions.generation import Constraint, Message
from functions.tool_call_reader import Argument, Called, CallReader, Said
from functions.tool_calls import Calling, Tool, call_constraint, call_or_json, call_text, result_text, with_tools
from functions.validation import ConstraintValidator

TREE: dict[str, Any] = {
    "$defs": {
        "Node": {"type": "object", "properties": {"next": {"anyOf": [{"$ref": "#/$defs/Node"}, {"type": "null"}]}}}
    },
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/Node"}, "$ref": {"const": {"$ref": "#/no/reference"}}},
    "required": ["root"],
}
TOOLS = [Tool("grow", "Grows a tree.", TREE), Tool("now", "", {"type": "object", "properties": {}})]


def read(text: str, calling: Calling | None, step: int) -> tuple[str, list[str], str, CallReader]:
    reader = CallReader(calling)
    pieces = [piece for start in range(0, len(text), step) for piece in reader.read(text[start : start + step])]
    pieces += reader.end()
    said = "".join(piece.text for piece in pieces if isinstance(piece, Said))
    names = [piece.name for piece in pieces if isinstance(piece, Called)]
    return said, names, "".join(piece.text for piece in pieces if isinstance(piece, Argument)), reader


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize("arguments", ["{}", '{"a": "}\\"{", "b": [{}, "]"]}', '{"é": {"x": [[1]]}}'])
def test_a_call_is_told_from_the_text_before_it(arguments: str, step: int):
    text = f"Let me <tool> look.\n\n{call_text('grow', arguments)}\nand more"
    said, names, written, reader = read(text, "may", step)
    assert (said, names, written) == ("Let me <tool> look.", ["grow"], arguments)
    assert reader.called
    assert reader.complete


@pytest.mark.parametrize("step", [1, 4, 1000])
@pytest.mark.parametrize("text", ["no call <tool_cal", "a < b\n ", "", "<tool_response>"])
def test_text_without_a_call_is_given_whole(text: str, step: int):
    said, names, written, reader = read(text, "may", step)
    assert (said, names, written, reader.called) == (text, [], "", False)
    assert read(text, None, step)[0] == text


def test_a_call_that_was_cut_is_not_complete():
    _, names, written, reader = read('{"name": "grow", "arguments": {"root": {"ne', "must", 5)
    assert (names, written) == (["grow"], '{"root": {"ne')
    assert reader.called
    assert not reader.complete


def test_the_tools_are_told_of_in_the_one_system_message():
    user = Message(role="user", content="x")
    alone = with_tools([user], TOOLS, "may")
    merged = with_tools([Message(role="system", content="Be brief."), user], TOOLS, "must")
    assert [message.role for message in alone] == [message.role for message in merged] == ["system", "user"]
    assert merged[0].content.startswith("Be brief.\n\n")
    for message in (alone[0], merged[0]):
        lines = [json.loads(line) for line in message.content.splitlines() if line.startswith('{"type"')]
        assert [line["function"]["parameters"] for line in lines] == [tool.parameters for tool in TOOLS]
    assert "<tool_call>" in alone[0].content
    assert result_text("sunny") == "<tool_response>\nsunny\n</tool_response>"


@pytest.mark.parametrize("calling", ["may", "must"])
async def test_references_within_a_schema_hold_where_the_schema_is_moved_to(
    validator: ConstraintValidator, calling: Calling
):
    asked = call_constraint(TOOLS, calling)
    await validator.check(asked.constraint)
    assert "#/no/reference" in asked.constraint.source
    assert sorted(asked.places.values()) == [0, 1]


async def test_a_call_or_json_is_one_grammar(validator: ConstraintValidator):
    await validator.check(call_or_json(TOOLS, Constraint.of("json_schema", TREE)))
    with pytest.raises(ConstraintRefused):
        call_or_json(TOOLS, Constraint.of("json_schema", "[" * 5000))
