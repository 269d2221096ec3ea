"""The grammar text that the engine compiles for a constraint, without importing the engine.

It is what vLLM 0.32's guidance backend (`serialize_guidance_grammar`) makes of a request with the engine-wide settings
`disable_any_whitespace` and `disable_additional_properties`; a test holds the two equal, byte by byte.
"""

import json
from typing import TYPE_CHECKING, Any

import llguidance

from functions.failures import ConstraintRefused
from functions.schema_properties import SCHEMA_MAPS, SUBSCHEMAS
from functions.validation_caps import parse_json

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

_COMPACT: "JsonCompileOptions" = {"whitespace_flexible": False}
_FLEXIBLE: "JsonCompileOptions" = {"whitespace_flexible": True}


def engine_grammar(kind: str, source: str) -> str:
    """What the engine core compiles. Raises `ConstraintRefused` for text that has no serialisation."""
    if kind == "json_schema":
        return _serialised(closed(parse_json(source)), _COMPACT)
    return _other_grammar(kind, source, _COMPACT)


def admission_grammar(kind: str, source: str) -> str:
    """What vLLM's front validates before it admits a request: the same, without the engine-wide settings."""
    if kind == "json_schema":
        return _serialised(source, _FLEXIBLE)
    return _other_grammar(kind, source, _FLEXIBLE)


def structural_tag_as_lark(source: str) -> str:
    """A Lark grammar for a structural tag, to be given to vLLM as `grammar`.

    vLLM's own conversion hands llguidance a serialised grammar where a schema belongs, which llguidance reads as a
    schema without keywords: any JSON passes (vLLM 0.32 with llguidance 1.7). Here the schema itself stands there.
    """
    tag = parse_json(source)
    tags = []
    for structure in tag["structures"]:
        begin = structure["begin"]
        trigger = next(t for t in tag["triggers"] if begin.startswith(t))
        schema = closed(structure["schema"])
        schema["x-guidance"] = {**_COMPACT, **schema.get("x-guidance", {})}
        tags.append(llguidance.StructTag(trigger=trigger, begin=begin, grammar=schema, end=structure["end"]))
    return llguidance.StructTag.to_grammar(tags)


def closed(schema: Any) -> Any:
    """The schema with `additionalProperties: false` wherever properties are listed and nothing else is said.

    Changes the given value. Like vLLM's `process_for_additional_properties`, it looks for schemas where JSON Schema
    has them, so that a `const` or a property of that name stays what it is.
    """
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(item for item in value if isinstance(item, dict))
            continue
        for keyword in SCHEMA_MAPS:
            if isinstance(schemas := value.get(keyword), dict):
                waiting.extend(schema for schema in schemas.values() if isinstance(schema, dict))
        waiting.extend(value[keyword] for keyword in SUBSCHEMAS if isinstance(value.get(keyword), dict | list))
        lists_properties = isinstance(value.get("properties"), dict) or isinstance(value.get("patternProperties"), dict)
        if lists_properties and "additionalProperties" not in value:
            value["additionalProperties"] = False
    return schema


def _other_grammar(kind: str, source: str, options: "JsonCompileOptions") -> str:
    match kind:
        case "json_object":
            return _serialised('{"type": "object"}', options)
        case "structural_tag":
            return structural_tag_as_lark(source)
        case "choice":
            # The list goes through JSON twice on its way: as vLLM's parameter, and as llguidance's text.
            return llguidance.grammar_from("choice", json.dumps(parse_json(source)))
        case "regex" | "grammar":
            return _from_text(kind, source)
    raise ConstraintRefused("", f"no such kind of constraint: {kind}")


def _from_text(kind: Any, source: str) -> str:
    try:
        return llguidance.grammar_from(kind, source)
    except (ValueError, IndexError) as error:
        raise ConstraintRefused("", f"not a Lark grammar (it has no rule named start): {error}") from None


def _serialised(schema: Any, options: "JsonCompileOptions") -> str:
    try:
        return llguidance.LLMatcher.grammar_from_json_schema(schema, defaults=options)
    except ValueError as error:
        raise ConstraintRefused("", f"not a JSON schema that llguidance takes: {error}") from None
