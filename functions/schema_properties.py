"""Required properties that a JSON schema does not describe, described: as anything.

The engine closes every object that lists properties and says nothing of others (`disable_additional_properties` of
vLLM), so that a model writes what was asked for. A property that is required, but not listed, could then never be
written.
"""

from collections.abc import Iterator
from typing import Any

# The places in which vLLM looks for subschemas: `_SCHEMA_MAP_KEYWORDS` and `_SUBSCHEMA_KEYWORDS` there.
SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas", "dependencies")
SUBSCHEMAS = (
    *("additionalProperties", "unevaluatedProperties", "propertyNames", "contains", "additionalItems"),
    *("unevaluatedItems", "not", "if", "then", "else", "contentSchema", "items", "prefixItems"),
    *("allOf", "anyOf", "oneOf"),
)


def with_required_listed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, with the names under `required` that nothing describes at the end of `properties`; never changed."""
    result = dict(schema)
    waiting = [result]
    while waiting:
        value = waiting.pop()
        if missing := list(_missing(value)):
            value["properties"] = {**value["properties"], **{name: {} for name in missing}}
        for keyword in SCHEMA_MAPS:
            if isinstance(schemas := value.get(keyword), dict):
                value[keyword] = {name: dict(s) if isinstance(s, dict) else s for name, s in schemas.items()}
                waiting += [s for s in value[keyword].values() if isinstance(s, dict)]
        for keyword in SUBSCHEMAS:
            if isinstance(inner := value.get(keyword), dict):
                value[keyword] = dict(inner)
                waiting.append(value[keyword])
            elif isinstance(inner, list):
                value[keyword] = [dict(s) if isinstance(s, dict) else s for s in inner]
                waiting += [s for s in value[keyword] if isinstance(s, dict)]
    return result


def _missing(schema: dict[str, Any]) -> Iterator[str]:
    """What is required of an object that the engine closes. A name that a pattern may describe is left to it."""
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or not isinstance(required, list):
        return
    if "additionalProperties" not in schema and "patternProperties" not in schema:
        yield from dict.fromkeys(name for name in required if isinstance(name, str) and name not in properties)
