"""Schemas of one object in parts (`allOf`, `anyOf`, `oneOf`) with different properties, so that they close together.

The engine closes every object that lists properties and says nothing of others. Parts that are closed one by one
exclude each other: none has a place for what another requires. Here each part lists what those beside it do.
"""

from typing import Any

from functions.schema_properties import SCHEMA_MAPS, SUBSCHEMAS

MOST_COPIES = 32
"""Definitions that are written out where a part refers to them; a definition may refer to itself."""
DEEPEST = 4
"""Parts within parts that are looked at."""
_ALTERNATIVES = ("anyOf", "oneOf")
_BESIDE_A_REFERENCE = frozenset({"$ref", "title", "description", "$comment", "examples", "default"})


def with_shared_names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the names of `properties` shared among parts of one object; the given one stays."""
    return _Sharing(schema).schema()


class _Sharing:
    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._copies = 0

    def schema(self) -> dict[str, Any]:
        result = dict(self._root)
        waiting = [result]
        while waiting:
            value = waiting.pop()
            self._share(value)
            for keyword in (*SCHEMA_MAPS, *SUBSCHEMAS):
                inner = value.get(keyword)
                if isinstance(inner, list):
                    value[keyword] = [dict(part) if isinstance(part, dict) else part for part in inner]
                    waiting += [part for part in value[keyword] if isinstance(part, dict)]
                elif isinstance(inner, dict) and keyword in SCHEMA_MAPS:
                    value[keyword] = {n: dict(part) if isinstance(part, dict) else part for n, part in inner.items()}
                    waiting += [part for part in value[keyword].values() if isinstance(part, dict)]
                elif isinstance(inner, dict):
                    value[keyword] = dict(inner)
                    waiting.append(value[keyword])
        return result

    def _share(self, value: dict[str, Any]) -> None:
        """List in each part, and in `value` itself, the names of what holds together with it."""
        if "$ref" in value and _is_closed(value):
            apart = _in_parts(value)
            value.clear()
            value.update(apart)
        own = dict.fromkeys(_properties(value))
        for part in _parts(value, "allOf"):
            own |= self._names(part, DEEPEST)
        every = dict(own)
        for keyword in _ALTERNATIVES:
            for part in _parts(value, keyword):
                every |= self._names(part, DEEPEST)
        for keyword, names in (("allOf", every), *((keyword, own) for keyword in _ALTERNATIVES)):
            if names and (parts := _parts(value, keyword)):
                value[keyword] = [self._part(part, names, DEEPEST) for part in parts]
        if _is_closed(value):
            value["properties"] = _with_names(value["properties"], every)

    def _names(self, given: Any, depth: int) -> dict[str, None]:
        """The names of the properties of a part, and of parts within it."""
        part = self._referred(given)
        names = dict.fromkeys(_properties(part))
        if depth:
            for keyword in ("allOf", *_ALTERNATIVES):
                for inner in _parts(part, keyword):
                    names |= self._names(inner, depth - 1)
        return names

    def _part(self, given: Any, names: dict[str, None], depth: int) -> Any:
        """A part that lists these names where it would be closed; as it was given where nothing was missing."""
        part = self._referred(given)
        if not isinstance(part, dict) or not depth:
            return given
        changed: dict[str, Any] = {}
        if _is_closed(part) and names.keys() - part["properties"].keys():
            changed["properties"] = _with_names(part["properties"], names)
        for keyword in ("allOf", *_ALTERNATIVES):
            parts = _parts(part, keyword)
            inner = [self._part(one, names | dict.fromkeys(_properties(part)), depth - 1) for one in parts]
            if any(one is not before for one, before in zip(inner, parts, strict=True)):
                changed[keyword] = inner
        if not changed:
            return given
        self._copies += part is not given
        return {**part, **changed}

    def _referred(self, part: Any) -> Any:
        """What a part refers to, within the schema; the part itself where that is no definition alone."""
        if not isinstance(part, dict) or not isinstance(part.get("$ref"), str) or part.keys() - _BESIDE_A_REFERENCE:
            return part
        if self._copies >= MOST_COPIES or not part["$ref"].startswith("#/"):
            return part
        found: Any = self._root
        for step in part["$ref"][2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, dict) or "$id" in found:
            return part
        if "$ref" in found:
            return _in_parts(found) if _is_closed(found) else part
        return found


def _is_closed(schema: dict[str, Any]) -> bool:
    return isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema


def _in_parts(schema: dict[str, Any]) -> dict[str, Any]:
    """A reference beside properties, as a part beside them."""
    rest = {keyword: value for keyword, value in schema.items() if keyword != "$ref"}
    return {**rest, "allOf": [{"$ref": schema["$ref"]}, *_parts(schema, "allOf")]}


def _properties(schema: Any) -> dict[str, Any]:
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return properties if isinstance(properties, dict) else {}


def _parts(schema: Any, keyword: str) -> list[Any]:
    parts = schema.get(keyword) if isinstance(schema, dict) else None
    return parts if isinstance(parts, list) else []


def _with_names(properties: dict[str, Any], names: dict[str, None]) -> dict[str, Any]:
    return {**properties, **{name: {} for name in names if name not in properties}}
