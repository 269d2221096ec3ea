"""Functions that a model may call: how it is told of them, and what it may write. What it wrote: `tool_call_reader`.

The form is the one of Hermes and Qwen 2.5 (https://qwen.readthedocs.io/en/latest/framework/function_call.html), in
plain text, so that it works with every chat template: a model that was trained on it knows it, others read how.
"""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from functions.generation import Constraint, Message
from functions.prompting import load_prompt
from functions.validation_caps import check_schema, parse_json
from functions.validation_grammar import closed

OPEN, CLOSE = "<tool_call>", "</tool_call>"
TRIGGER = OPEN.removesuffix(">")
"""llguidance takes a trigger in angle brackets for a special token, which this is in few vocabularies."""
STOP = CLOSE
"""One call a turn: the text ends with it."""

Calling = Literal["may", "must"]
"""Whether the model chooses between text and a call, or has to call."""

_INSTRUCTIONS: Mapping[Calling, str] = {"may": "tools_offered.v1", "must": "tool_demanded.v1"}
_VALUE_KEYWORDS = frozenset({"const", "default", "enum", "examples"})


@dataclass(frozen=True)
class Tool:
    """A function by name, what it does, and the JSON schema of its arguments: an object."""

    name: str
    description: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class CallConstraint:
    """What the decoder enforces. `places` maps pointers into it to (tool number, pointer into its parameters)."""

    constraint: Constraint
    places: Mapping[str, int]


def with_tools(messages: Sequence[Message], tools: Sequence[Tool], calling: Calling) -> tuple[Message, ...]:
    """The conversation, with the tools described at the end of its system message."""
    described = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    lines = [json.dumps({"type": "function", "function": tool}, ensure_ascii=False) for tool in described]
    text = load_prompt(_INSTRUCTIONS[calling]).shots[0].content.replace("{tools}", "\n".join(lines))
    if messages and messages[0].role == "system":
        return (Message(role="system", content=f"{messages[0].content}\n\n{text}"), *messages[1:])
    return (Message(role="system", content=text), *messages)


def call_text(name: str, arguments: str) -> str:
    """A call of an earlier turn, as the model would have written it. `arguments` are JSON, or what was written."""
    return f'{OPEN}\n{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {arguments}}}\n{CLOSE}'


def result_text(result: str) -> str:
    """What a called function answered, for a user's turn."""
    return f"<tool_response>\n{result}\n</tool_response>"


def call_constraint(tools: Sequence[Tool], calling: Calling) -> CallConstraint:
    """A call of one of the tools, with arguments that its schema accepts; where it only may, free text besides."""
    if calling == "must":
        # The references of a schema lead from the root, which is another one once it stands inside.
        calls = []
        for number, tool in enumerate(tools):
            at = f"/anyOf/{number}/properties/arguments"
            properties = {"name": {"const": tool.name}, "arguments": _moved(tool.parameters, at)}
            calls.append({"type": "object", "properties": properties, "required": ["name", "arguments"]})
        places = {f"/anyOf/{number}/properties/arguments": number for number in range(len(tools))}
        return CallConstraint(Constraint.of("json_schema", {"anyOf": calls}), places)
    structures = [{"begin": _begin(tool), "schema": tool.parameters, "end": _END} for tool in tools]
    tag = Constraint.of("structural_tag", {"triggers": [TRIGGER], "structures": structures})
    return CallConstraint(tag, {f"/structures/{number}/schema": number for number in range(len(tools))})


def call_or_json(tools: Sequence[Tool], answer: Constraint) -> Constraint:
    """A call of one of the tools, or JSON that `answer` accepts, whose source is a schema.

    Raises `ConstraintRefused` for schemas beyond the bounds, which validation would not find inside a grammar.
    """
    schema = parse_json(answer.source)
    check_schema(schema)
    rules = [f"answer: %json {_embedded(schema)}"]
    for number, tool in enumerate(tools):
        begin, end = json.dumps(_begin(tool)), json.dumps(_END)
        rules.append(f"tool_{number}: {begin} %json {_embedded(tool.parameters)} {end}")
    names = " | ".join(rule.partition(":")[0] for rule in rules)
    return Constraint(kind="grammar", source="\n".join(["%llguidance {}", f"start: {names}", *rules]))


_END = f"}}\n{CLOSE}"


def _begin(tool: Tool) -> str:
    return f'{OPEN}\n{{"name": {json.dumps(tool.name)}, "arguments": '


def _embedded(schema: dict[str, Any]) -> str:
    """As the engine's own settings make it of a schema that stands alone: closed, and without free white space."""
    options = {"whitespace_flexible": False, **schema.get("x-guidance", {})}
    return json.dumps({**closed(copy.deepcopy(schema)), "x-guidance": options})


def _moved(schema: Any, to: str) -> Any:
    """The schema with its local references leading to `to`, a JSON pointer, instead of to the root."""
    if isinstance(schema, list):
        return [_moved(item, to) for item in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {}
    for keyword, value in schema.items():
        if keyword == "$ref" and isinstance(value, str) and value.startswith("#"):
            moved[keyword] = f"#{to}{value[1:]}"
        else:
            moved[keyword] = value if keyword in _VALUE_KEYWORDS else _moved(value, to)
    return moved
