"""What clients send, read as a constraint set: strict about rules, tolerant about everything around them.

A rule that is not understood would be dropped in silence, so unknown rules and fields are refused with a JSON pointer.
What describes a constraint (kind, severity, source, confidence ...) is written in many ways elsewhere: it is read as
far as it goes, and a warning says what was made of it.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from functions.constraints.inference import inferred_rule
from functions.constraints.model import (
    MAX_CONSTRAINTS,
    ConstraintSet,
    Evidence,
    ExamplesRule,
    ForbidCallsRule,
    ForbidNamesRule,
    Kind,
    Language,
    MustCallRule,
    MustContainRule,
    RegexRule,
    Rule,
    Severity,
    Source,
    StatedConstraint,
)
from functions.failures import ConstraintRefused
from functions.validation_caps import json_pointer

_KNOWN = {
    *("name", "kind", "severity", "description", "confidence", "source", "priority", "evidence", "rule", "inferred"),
    *("pattern", "examples", "must_use", "must_not_use"),
}
_KNOWN_OF_SETS = {"name", "constraints", "language", "description", "version"}
_WORDS = {"kind": get_args(Kind), "severity": get_args(Severity), "source": get_args(Source)}
_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
_MOST_WARNINGS = 200
_PERCENT = 100


class _Reader:
    def __init__(self, language: Language) -> None:
        self.language = language
        self.warnings: list[str] = []

    def warn(self, name: str, what: str) -> None:
        if len(self.warnings) < _MOST_WARNINGS:
            self.warnings.append(f"{name}: {what}" if name else what)


def read_constraint_set(data: Any, *, pointer: str = "", language: Language = "python") -> ConstraintSet:
    """The set in parsed JSON: `{"name", "constraints": [...]}`, or just the list.

    `pointer` is where `data` stands in the request. Raises `ConstraintRefused`.
    """
    reader = _Reader(language)
    if isinstance(data, list):
        data, at = {"constraints": data}, pointer
    else:
        at = f"{pointer}/constraints"
    if not isinstance(data, Mapping):
        raise ConstraintRefused(pointer, 'a constraint set is an object {"name", "constraints": [...]}')
    listed = data.get("constraints")
    if not isinstance(listed, list):
        raise ConstraintRefused(at, "a constraint set has a list of constraints")
    if len(listed) > MAX_CONSTRAINTS:
        raise ConstraintRefused(at, f"at most {MAX_CONSTRAINTS} constraints are taken; these are {len(listed)}")
    for field in sorted(set(data) - _KNOWN_OF_SETS):
        reader.warn("", f"the set's field {field!r} means nothing here")
    read = [stated for i, entry in enumerate(listed) for stated in _read(reader, entry, f"{at}/{i}", i)]
    name = data.get("name")
    return ConstraintSet(
        name=name if isinstance(name, str) else "",
        constraints=tuple(named_apart(read)),
        warnings=tuple(reader.warnings),
    )


def _read(reader: _Reader, entry: Any, at: str, number: int) -> Iterator[StatedConstraint]:
    """The entry as one constraint for each rule that it states."""
    if not isinstance(entry, Mapping):
        raise ConstraintRefused(at, "a constraint is an object")
    given = entry.get("name")
    name = given if isinstance(given, str) and given else f"constraint-{number + 1}"
    for field in sorted(str(key) for key in entry if key not in _KNOWN):
        reader.warn(name, f"the field {field!r} means nothing here")
    common = StatedConstraint(
        name=name,
        kind=_one_of(reader, name, entry, "kind", "syntactic"),
        severity=_one_of(reader, name, entry, "severity", "error"),
        description=str(entry.get("description") or ""),
        confidence=_confidence(reader, name, entry.get("confidence", 1.0)),
        source=_one_of(reader, name, entry, "source", "User_Defined"),
        priority=_priority(reader, name, entry.get("priority", 0)),
        place=at,
        evidence=tuple(_evidence(reader, name, entry.get("evidence") or ())),
    )
    rules = list(_rules(reader.language, entry, at))
    if rules:
        yield from (common.model_copy(update={"rule": rule}) for rule in rules)
    elif (found := inferred_rule(common.description, reader.language)) is not None:
        confidence = min(common.confidence, found.confidence)
        yield common.model_copy(update={"rule": found.rule, "inferred": True, "confidence": confidence})
    else:
        yield common


def _rules(language: Language, entry: Mapping[str, Any], at: str) -> Iterator[Rule]:
    """The typed rule, and those that the fields of an older form stand for."""
    if entry.get("rule") is not None:
        yield _rule(entry["rule"], f"{at}/rule")
    if entry.get("pattern"):
        yield _checked(RegexRule, {"type": "regex", "pattern": entry["pattern"]}, f"{at}/pattern")
    if entry.get("examples"):
        yield _checked(ExamplesRule, {"type": "examples", **_examples(entry["examples"], at)}, f"{at}/examples")
    is_code = language in {"python", "typescript"}
    for text in _texts(entry.get("must_use"), f"{at}/must_use"):
        rule = MustCallRule if is_code and _is_dotted(text) else MustContainRule
        value = {"calls": [text]} if rule is MustCallRule else {"text": text}
        yield _checked(rule, {"type": rule.model_fields["type"].annotation.__args__[0], **value}, f"{at}/must_use")  # type: ignore[union-attr] # a Literal
    for text in _texts(entry.get("must_not_use"), f"{at}/must_not_use"):
        plain = text.removesuffix("()")
        if text.endswith("()") or "." in plain:
            yield _checked(ForbidCallsRule, {"type": "forbid_calls", "calls": [plain]}, f"{at}/must_not_use")
        else:
            yield _checked(ForbidNamesRule, {"type": "forbid_names", "names": [plain]}, f"{at}/must_not_use")


def _rule(value: Any, at: str) -> Rule:
    try:
        return _RULE.validate_python(value)
    except ValidationError as error:
        raise _refusal(error, at, skip_tag=True) from None


def _checked(rule: type[Any], value: Mapping[str, Any], at: str) -> Rule:
    try:
        checked: Rule = rule.model_validate(value)
    except ValidationError as error:
        raise _refusal(error, at, skip_tag=False) from None
    return checked


def _refusal(error: ValidationError, at: str, *, skip_tag: bool) -> ConstraintRefused:
    first = error.errors(include_url=False)[0]
    place = first["loc"][1:] if skip_tag else first["loc"]
    if first["type"] == "union_tag_invalid":
        place = ("type",)
    elif first["type"] == "union_tag_not_found":
        place = ()
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        message = "this kind of rule has no such field"
    return ConstraintRefused(at + json_pointer(tuple(place)), message)


def _one_of(reader: _Reader, name: str, entry: Mapping[str, Any], field: str, default: str) -> Any:
    value = entry.get(field)
    if value is None:
        if field == "severity":
            reader.warn(name, "it has no severity; it is taken for an error")
        return default
    known = _WORDS[field]
    folded = str(value).casefold().replace("-", "_").replace(" ", "_")
    for word in known:
        if word.casefold() == folded:
            return word
    reader.warn(name, f"unknown {field} {str(value)[:80]!r}; it is taken for {default!r}")
    return default


def _confidence(reader: _Reader, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        reader.warn(name, f"confidence {str(value)[:80]!r} is no number from 0 to 1; it is taken for 1")
        return 1.0
    if 1 < value <= _PERCENT and value == int(value):
        reader.warn(name, f"confidence {value} is taken for {value / _PERCENT:g}")
        return value / _PERCENT
    if not 0 <= value <= 1:
        bounded = min(max(float(value), 0.0), 1.0)
        reader.warn(name, f"confidence {value} is taken for {bounded:g}")
        return bounded
    return float(value)


def _priority(reader: _Reader, name: str, value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-(2**31), min(value, 2**31))
    words = {"low": -1, "medium": 0, "normal": 0, "high": 1, "critical": 2}
    if isinstance(value, str) and value.casefold() in words:
        return words[value.casefold()]
    reader.warn(name, f"priority {str(value)[:80]!r} is no whole number; it is taken for 0")
    return 0


def _evidence(reader: _Reader, name: str, value: Any) -> Iterator[Evidence]:
    for entry in value if isinstance(value, list | tuple) else ():
        try:
            yield Evidence.model_validate(entry)
        except ValidationError:
            reader.warn(name, "evidence without a file and a line is left out")


def _examples(value: Any, at: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise ConstraintRefused(f"{at}/examples", 'examples are {"good": [...], "bad": [...]}')
    return value


def _texts(value: Any, at: str) -> list[str]:
    if value is None:
        return []
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) and text for text in texts):
        raise ConstraintRefused(at, "this is a list of texts")
    return texts


def _is_dotted(text: str) -> bool:
    return all(part.isidentifier() for part in text.split("."))


def named_apart(constraints: list[StatedConstraint]) -> Iterator[StatedConstraint]:
    """Names are what reports and conflicts speak of: the second of two gets a number."""
    seen: dict[str, int] = {}
    for stated in constraints:
        seen[stated.name] = seen.get(stated.name, 0) + 1
        count = seen[stated.name]
        yield stated if count == 1 else stated.model_copy(update={"name": f"{stated.name} ({count})"})
