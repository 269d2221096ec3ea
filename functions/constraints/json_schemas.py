"""Several JSON schemas as one that asks for all of them.

`allOf` says the same, but llguidance closes each part of it by itself (nothing beyond its own properties), so that two
objects with different properties would exclude each other. Merged, the parts are closed together.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from functions.json_values import among, same

Schema = dict[str, Any] | bool

_NUMBERS = frozenset({"integer", "number"})
_ANNOTATIONS = frozenset({"title", "description", "default", "examples", "$schema", "$id", "$comment", "x-guidance"})
_LARGEST = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_SMALLEST = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_MERGED = frozenset(
    {"type", "enum", "const", "properties", "required", "additionalProperties", "items", "$defs", "definitions"}
)


class NothingLeft(Exception):  # noqa: N818 - says what happened
    """No value can satisfy the schemas together; `str()` of it says where."""


def merged(schemas: Sequence[Schema]) -> Schema:
    """The schema that a value satisfies when it satisfies all. Raises `NothingLeft` where that is plain to see."""
    result: Schema = True
    for schema in schemas:
        result = _both(result, schema, "")
    return result


def _both(one: Schema, other: Schema, where: str) -> Schema:
    if one is False or other is False:
        raise NothingLeft(f"nothing is allowed at {where or 'the root'}")
    if one is True or same(one, other):
        return other
    if other is True:
        return one
    result, rest = _keywords(one, other)
    for merge in (_types, _values, _definitions, _objects):
        result |= merge(one, other, where)
    result |= _items(one, other)
    _check_ranges(result, where)
    if rest:
        result["allOf"] = [*result.get("allOf", []), *rest]
    return result


def _keywords(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[dict[str, Any], list[Schema]]:
    """Keywords that need no thought merged, and schemas that hold those which cannot be."""
    result: dict[str, Any] = {}
    rest: list[Schema] = []
    for keyword in dict.fromkeys(key for key in [*one, *other] if key not in _MERGED):
        if keyword not in other or keyword not in one or same(one[keyword], other[keyword]) or keyword in _ANNOTATIONS:
            result[keyword] = one.get(keyword, other.get(keyword))
        elif keyword in _LARGEST | _SMALLEST:
            result[keyword] = (max if keyword in _LARGEST else min)(one[keyword], other[keyword])
        elif keyword == "allOf":
            result[keyword] = [*one[keyword], *other[keyword]]
        else:
            result[keyword] = one[keyword]
            rest.append({keyword: other[keyword]})
    return result, rest


def _types(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    given = [schema["type"] for schema in (one, other) if "type" in schema]
    if len(given) < 2:  # noqa: PLR2004 - two schemas
        return {"type": given[0]} if given else {}
    first, second = ([types] if isinstance(types, str) else list(types) for types in given)
    common = [kind for kind in first if kind in second or (kind == "integer" and "number" in second)]
    common += [kind for kind in second if kind == "integer" and "number" in first and kind not in common]
    if not common:
        raise NothingLeft(f"{where or 'the root'} would be {' or '.join(first)}, and {' or '.join(second)}")
    return {"type": common[0] if len(common) == 1 else common}


def _values(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    lists = [schema["enum"] for schema in (one, other) if "enum" in schema]
    lists += [[schema["const"]] for schema in (one, other) if "const" in schema]
    if not lists:
        return {}
    common = [value for value in lists[0] if all(among(value, values) for values in lists[1:])]
    if not common:
        raise NothingLeft(f"no value is left for {where or 'the root'}")
    return {"const": common[0]} if len(common) == 1 else {"enum": common}


def _definitions(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for keyword in ("$defs", "definitions"):
        first, second = one.get(keyword, {}), other.get(keyword, {})
        if clash := next((name for name in first if name in second and not same(first[name], second[name])), None):
            raise NothingLeft(f"{where}/{keyword}/{clash} means two things; rename one of them")
        if first or second:
            result[keyword] = {**first, **second}
    return result


def _objects(one: Mapping[str, Any], other: Mapping[str, Any], where: str) -> dict[str, Any]:
    result: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for name in dict.fromkeys([*one.get("properties", {}), *other.get("properties", {})]):
        path = f"{where}/{name}"
        try:
            properties[name] = _both(_property(one, name), _property(other, name), path)
        except NothingLeft as nothing:
            if name in {*one.get("required", ()), *other.get("required", ())}:
                raise NothingLeft(f"{path} is required, and {nothing}") from None
            properties[name] = False
    required = list(dict.fromkeys([*one.get("required", ()), *other.get("required", ())]))
    closed = [schema["additionalProperties"] for schema in (one, other) if "additionalProperties" in schema]
    if properties or "properties" in one or "properties" in other:
        result["properties"] = properties
    if required:
        result["required"] = required
    if closed:
        try:
            result["additionalProperties"] = merged(closed)
        except NothingLeft:
            result["additionalProperties"] = False
    return result


def _property(schema: Mapping[str, Any], name: str) -> Schema:
    """What a schema asks of a property: its own schema, or that for all others."""
    found: Schema = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
    return found


def _items(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """What no item can be leaves the array without items."""
    given = [schema["items"] for schema in (one, other) if "items" in schema]
    if not given or not all(isinstance(items, dict | bool) for items in given):
        return {}
    try:
        return {"items": merged(given)}
    except NothingLeft:
        return {"items": False}


def _check_ranges(schema: Mapping[str, Any], where: str) -> None:
    """Bounds that nothing keeps leave nothing only where no other type is left: of others they say nothing."""
    types = schema.get("type", [])
    left = {types} if isinstance(types, str) else set(types)
    pairs: tuple[tuple[frozenset[str], str, str, Callable[[Any, Any], bool]], ...] = (
        (_NUMBERS, "minimum", "maximum", lambda low, high: low > high),
        (_NUMBERS, "exclusiveMinimum", "maximum", lambda low, high: low >= high),
        (_NUMBERS, "minimum", "exclusiveMaximum", lambda low, high: low >= high),
        (frozenset({"string"}), "minLength", "maxLength", lambda low, high: low > high),
        (frozenset({"array"}), "minItems", "maxItems", lambda low, high: low > high),
    )
    for bounded, low, high, excludes in pairs:
        if left and left <= bounded and low in schema and high in schema and excludes(schema[low], schema[high]):
            raise NothingLeft(f"{where or 'the root'} would be at least {schema[low]} and at most {schema[high]}")
