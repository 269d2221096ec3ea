"""Cheap bounds on a constraint, checked before llguidance sees it: each stands for a cost that was measured.

They answer at once, and with a pointer, what would otherwise take a child process seconds or its life. They are not
the defence: what slips through them meets the child's limits. The walk keeps its own stack, so that a deep document
costs a refusal and not the process.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, Literal

from functions.failures import ConstraintRefused
from functions.validation_text_caps import MAX_REPETITION, check_regex

MAX_NESTING = 64
"""Objects and arrays within each other; vLLM's own limit (`MAX_STRUCTURED_OUTPUT_JSON_NESTING`)."""
MAX_TAG_NESTING = 80
"""vLLM's limit for structural tags, whose schemas stand inside a wrapper."""
MAX_DEFINITIONS = 999
MAX_CHOICES = 1_900
"""Alternatives at one place: llguidance's parser takes 2,000 items a row and then fails in mid-generation."""
MAX_OPTIONAL_PROPERTIES = 450
"""Each optional property opens about four parser items at every place where it may still come."""
MAX_COUNT = MAX_REPETITION
"""`maxItems` 10,000 compiles in 34 ms; 1,000,000 in 6 s and 1.2 GB. String lengths cost nothing and are not bounded."""
SMALLEST_INTEGER, LARGEST_INTEGER = -(2**63), 2**64 - 1

Pointer = tuple[str | int, ...]
Position = Literal["schema", "schema_map", "value"]

_COUNTED = ("minItems", "maxItems", "minProperties", "maxProperties", "multipleOf")
_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
_VALUES = ("const", "enum", "default", "examples", "required", "x-guidance")
_ALTERNATIVES = ("anyOf", "oneOf", "prefixItems", "items")


def json_pointer(at: Pointer) -> str:
    """RFC 6901, section 3."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in at)


def parse_json(source: str) -> Any:
    """The document, or `ConstraintRefused` for what JSON (RFC 8259) does not have: NaN, Infinity, endless nesting."""
    try:
        return json.loads(source, parse_constant=_no_such_constant)
    except RecursionError:
        raise ConstraintRefused("", f"nested too deeply: at most {MAX_NESTING} levels") from None
    except ValueError as error:
        raise ConstraintRefused("", f"not valid JSON: {error}") from None


def check_schema(schema: Any, *, at: Pointer = (), nesting: int = MAX_NESTING) -> None:
    """Refuse a JSON schema that is beyond the bounds above, with a pointer to the keyword."""
    if not isinstance(schema, dict):
        raise ConstraintRefused(json_pointer(at), "a schema must be a JSON object")
    definitions = 0
    for value, where, position in _walk(schema, at, nesting):
        if position == "schema" and isinstance(value, dict):
            definitions += sum(len(value[k]) for k in ("$defs", "definitions") if isinstance(value.get(k), dict))
            if definitions > MAX_DEFINITIONS:
                raise ConstraintRefused(json_pointer(where), f"more than {MAX_DEFINITIONS} definitions")
            _check_keywords(value, where)


def check_choices(choices: Any) -> None:
    """Refuse what is not a list of 1 to 1,900 strings that can be written as UTF-8."""
    if not isinstance(choices, list) or not choices:
        raise ConstraintRefused("", "choices must be a JSON array of at least one string")
    if len(choices) > MAX_CHOICES:
        raise ConstraintRefused("", f"{len(choices)} choices; the decoder takes at most {MAX_CHOICES}")
    for i, choice in enumerate(choices):
        if not isinstance(choice, str):
            raise ConstraintRefused(f"/{i}", "a choice must be a string")
        _check_scalar(choice, (i,))


def check_structural_tag(tag: Any) -> None:
    """Refuse what is not `{"triggers": [...], "structures": [{"begin", "schema", "end"}]}` (vLLM's form)."""
    if not isinstance(tag, dict):
        raise ConstraintRefused("", 'a structural tag must be an object with "triggers" and "structures"')
    for _ in _walk(tag, (), MAX_TAG_NESTING, position="value"):
        pass
    if missing := [name for name in ("triggers", "structures") if name not in tag]:
        raise ConstraintRefused("", f'"{missing[0]}" is missing')
    triggers, structures = tag["triggers"], tag["structures"]
    if not isinstance(triggers, list) or not triggers:
        raise ConstraintRefused("/triggers", "must be an array of at least one string")
    for i, trigger in enumerate(triggers):
        if not isinstance(trigger, str) or not trigger:
            raise ConstraintRefused(f"/triggers/{i}", "a trigger must be a string that is not empty")
    if not isinstance(structures, list) or not structures:
        raise ConstraintRefused("/structures", "must be an array of at least one structure")
    if len(structures) > MAX_CHOICES:
        raise ConstraintRefused("/structures", f"more than {MAX_CHOICES} structures")
    for i, structure in enumerate(structures):
        _check_structure(structure, i, triggers)


def _check_structure(structure: Any, i: int, triggers: list[str]) -> None:
    at = f"/structures/{i}"
    if not isinstance(structure, dict):
        raise ConstraintRefused(at, 'a structure must be an object with "begin", "schema" and "end"')
    for name in ("begin", "end"):
        if not isinstance(structure.get(name), str):
            raise ConstraintRefused(f"{at}/{name}" if name in structure else at, f'"{name}" must be a string')
    if not any(structure["begin"].startswith(trigger) for trigger in triggers):
        raise ConstraintRefused(f"{at}/begin", "must start with one of the triggers")
    if "schema" not in structure:
        raise ConstraintRefused(at, '"schema" is missing')
    check_schema(structure["schema"], at=("structures", i, "schema"))


def _check_keywords(schema: dict[str, Any], at: Pointer) -> None:
    for keyword in _COUNTED:
        count = schema.get(keyword)
        if isinstance(count, int | float) and count > MAX_COUNT:
            reason = f"{keyword} is {count}; the decoder takes at most {MAX_COUNT}"
            raise ConstraintRefused(json_pointer((*at, keyword)), reason)
    for keyword in _ALTERNATIVES:
        alternatives = schema.get(keyword)
        if isinstance(alternatives, list) and len(alternatives) > MAX_CHOICES:
            reason = f"{len(alternatives)} entries in {keyword}; the decoder takes at most {MAX_CHOICES}"
            raise ConstraintRefused(json_pointer((*at, keyword)), reason)
    _check_enum(schema, at)
    _check_properties(schema, at)
    _check_options(schema.get("x-guidance", {}), (*at, "x-guidance"))
    if isinstance(pattern := schema.get("pattern"), str):
        check_regex(pattern, json_pointer((*at, "pattern")))


def _check_enum(schema: dict[str, Any], at: Pointer) -> None:
    """Strings and numbers become one lexeme; arrays and objects are alternatives of the parser."""
    values = schema.get("enum")
    if isinstance(values, list) and sum(isinstance(v, dict | list) for v in values) > MAX_CHOICES:
        reason = f"more than {MAX_CHOICES} arrays and objects in enum"
        raise ConstraintRefused(json_pointer((*at, "enum")), reason)


def _check_properties(schema: dict[str, Any], at: Pointer) -> None:
    if isinstance(properties := schema.get("properties"), dict):
        required = schema.get("required")
        named = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
        optional = len(properties.keys() - named)
        if optional > MAX_OPTIONAL_PROPERTIES:
            reason = (
                f"{optional} optional properties in one object; the decoder takes at most {MAX_OPTIONAL_PROPERTIES}"
            )
            raise ConstraintRefused(json_pointer((*at, "properties")), reason)
    if isinstance(patterns := schema.get("patternProperties"), dict):
        for pattern in patterns:
            check_regex(pattern, json_pointer((*at, "patternProperties", pattern)))


def _check_options(options: Any, at: Pointer) -> None:
    if not isinstance(options, dict):
        raise ConstraintRefused(json_pointer(at), "x-guidance must be an object of llguidance's JSON options")
    if options.get("lenient"):
        reason = "lenient drops keywords without a word; remove it, and what cannot be enforced is named"
        raise ConstraintRefused(json_pointer((*at, "lenient")), reason)


def _walk(
    root: Any, at: Pointer, nesting: int, position: Position = "schema"
) -> Iterator[tuple[Any, Pointer, Position]]:
    """Every value in document order, with where it is and whether a schema stands there."""
    waiting: list[tuple[Any, Pointer, Position, int]] = [(root, at, position, 1)]
    while waiting:
        value, where, position, depth = waiting.pop()
        if isinstance(value, dict | list):
            if depth > nesting:
                raise ConstraintRefused(json_pointer(where), f"nested too deeply: at most {nesting} levels")
        else:
            _check_scalar(value, where)
        yield value, where, position
        if isinstance(value, list):
            of_items: Position = "value" if position == "value" else "schema"
            children = [(item, (*where, i), of_items, depth + 1) for i, item in enumerate(value)]
            waiting.extend(reversed(children))
        elif isinstance(value, dict):
            children = []
            for name, child in value.items():
                _check_scalar(name, where)
                children.append((child, (*where, name), _position_below(position, name), depth + 1))
            waiting.extend(reversed(children))


def _position_below(position: Position, name: str) -> Position:
    if position == "schema_map":
        return "schema"
    if position == "value" or name in _VALUES:
        return "value"
    return "schema_map" if name in _SCHEMA_MAPS else "schema"


def _check_scalar(value: Any, at: Pointer) -> None:
    """What Python's json reads and llguidance does not: numbers beyond 64 bits, halves of surrogate pairs."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            reason = f"half of a surrogate pair at character {error.start + 1}"
            raise ConstraintRefused(json_pointer(at), reason) from None
    if isinstance(value, int | float):
        in_range = math.isfinite(value) if isinstance(value, float) else SMALLEST_INTEGER <= value <= LARGEST_INTEGER
        if not in_range:
            raise ConstraintRefused(json_pointer(at), "the number does not fit in 64 bits")


def _no_such_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")
