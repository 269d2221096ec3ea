"""llguidance's messages made fit to show: in its own words, bounded, and with the place that is at fault."""

import re
from collections.abc import Callable, Iterator
from typing import Any

from functions.validation_caps import Pointer

LONGEST_REASON = 400
_PROBES = 200
"""Subschemas tried on their own in search of the one at fault; each costs a tenth of a millisecond or so."""

_SOURCE_LINE = re.compile(r"^ *\d+ \| |^ *\^+ *$")
_PLACE = re.compile(r"^(?:at )?(\d+)\((\d+)\): ")
_REGEX_PLACE = re.compile(r"regex parse error:\n    (?P<pattern>.*)\n    (?P<indent> *)\^")
_REGEX_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)
_UNIMPLEMENTED = re.compile(r'Unimplemented keys: \["([^"]+)"')
_QUOTED_KEYWORD = re.compile(r"'(\w+)'")
_WORD = re.compile(r"\w+")
_SCHEMA_MAPS = ("properties", "patternProperties", "$defs", "definitions")

_KEYWORD_BY_WORDS = (
    ("Unknown format", "format"),
    ("Invalid type", "type"),
    ("type must be", "type"),
    ("oneOf", "oneOf"),
    ("unknown field", "x-guidance"),
    ("(?s:.{", "maxLength"),
    ("(?s:.{", "minLength"),
    ("patternProperty", "patternProperties"),
    ("regex", "pattern"),
    ("regex", "patternProperties"),
    ("multiple of", "multipleOf"),
    ("/Properties", "minProperties"),
    ("/Properties", "maxProperties"),
    ("min/maxProperties", "minProperties"),
    ("min/maxProperties", "maxProperties"),
    ("$ref", "$ref"),
    ("Pointer '", "$ref"),
    ("Resource '", "$ref"),
    ("Resource '", "$schema"),
)


def own_words(message: str) -> str:
    """The message without llguidance's state dump and source excerpts, on one line, at most 400 characters."""
    lines = message.split("\n<state>", 1)[0].splitlines()
    said = " ".join(line.strip() for line in lines if line.strip() and not _SOURCE_LINE.match(line))
    return said if len(said) <= LONGEST_REASON else said[: LONGEST_REASON - 3] + "..."


def grammar_words(message: str) -> str:
    """Words on a Lark grammar: "at 3(8): ..." reads as a line and a column."""
    return _PLACE.sub(lambda place: f"line {place[1]}, column {place[2]}: ", own_words(message))


def regex_words(message: str, pattern: str) -> str:
    """Words on a regex, which llguidance sees wrapped into a grammar; the character is counted in the regex itself."""
    error, place = _REGEX_ERROR.search(message), _REGEX_PLACE.search(message)
    if error is None:
        return _PLACE.sub("", own_words(message))
    if place is None or place["pattern"] != pattern:
        return own_words(error[1])
    return f"character {len(place['indent']) + 1}: {own_words(error[1])}"


def schema_fault(schema: Any, message: str, refusal_of: Callable[[Any], str]) -> tuple[Pointer, str]:
    """Where in the schema the fault lies, and the message from there.

    llguidance names no place. The deepest subschema that is refused on its own, for a reason of the same sort, has the
    fault; `refusal_of` compiles one and answers the message or "".
    """
    shared = {name: schema[name] for name in ("$schema", "$defs", "definitions") if name in schema}
    at: Pointer = ()
    probes = _PROBES
    descending = True
    while descending:
        descending = False
        for below, subschema in _subschemas(schema):
            if probes == 0:
                break
            probes -= 1
            said = refusal_of({**shared, **subschema})
            if said and _sort(said) == _sort(message):
                at, schema, message, descending = (*at, *below), subschema, said, True
                break
    keyword = _keyword(schema, message)
    return ((*at, keyword) if keyword else at), message


def _subschemas(schema: dict[str, Any]) -> Iterator[tuple[Pointer, dict[str, Any]]]:
    for keyword, value in schema.items():
        if keyword in ("const", "enum", "default", "examples", "x-guidance"):
            continue
        if keyword in _SCHEMA_MAPS and isinstance(value, dict):
            yield from (((keyword, name), sub) for name, sub in value.items() if isinstance(sub, dict))
        elif isinstance(value, dict):
            yield (keyword,), value
        elif isinstance(value, list):
            yield from (((keyword, i), sub) for i, sub in enumerate(value) if isinstance(sub, dict))


def _sort(message: str) -> str:
    """What sort of refusal it is: contexts differ between a schema and its parts, the first words do not."""
    words = message.splitlines()[0].partition(" while processing ")[0]
    if words.startswith(("Pointer '", "Resource '")):  # a reference that only the root resolves is no fault
        return words
    return words.split(":", 1)[0] if ":" in words else words.split(" ", 1)[0]


def _keyword(schema: dict[str, Any], message: str) -> str | None:
    if found := _UNIMPLEMENTED.search(message):
        return found[1] if found[1] in schema else None
    for name in _QUOTED_KEYWORD.findall(message):
        if name in schema:
            return str(name)
    by_words = (keyword for words, keyword in _KEYWORD_BY_WORDS if words in message and keyword in schema)
    named = (word for word in _WORD.findall(message) if word in schema)
    return next(by_words, None) or next(named, None)
