"""Finished texts held against requirements: code by its syntax tree, documents by their schema, others by llguidance.

Runs in the validator's limited child processes (`ConstraintValidator.run_limited`): a hostile text can break a parser.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator

from functions.constraints.code_checks import CHECKS
from functions.constraints.model import Language
from functions.constraints.requirements import Requirements
from functions.constraints.trial import Reading, read_texts
from functions.constraints.violations import LANGUAGE, Violation

_MOST_FAULTS_OF_A_DOCUMENT = 20


def judge(texts: Sequence[str], requirements: Requirements, language: Language) -> list[list[Violation]]:
    """What each text breaks, in the order of the text."""
    return [sorted(_judge(text, requirements, language), key=lambda v: (v.line, v.column)) for text in texts]


def _judge(text: str, requirements: Requirements, language: Language) -> Iterator[Violation]:
    if language in CHECKS:
        yield from CHECKS[language](text, requirements)
    elif language == "json" or requirements.schemas:
        yield from _document(text, requirements)
    if language not in CHECKS:
        yield from _lengths(text, requirements)
        yield from _words(text, requirements.forbidden_names)
    yield from _lines(text, requirements)
    yield from _required(text, requirements.must_contain)
    for pattern, constraint in requirements.regexes.items():
        yield from _read(text, "regex", pattern, constraint)
    for grammar, constraint in requirements.grammars:
        yield from _read(text, "grammar", grammar, constraint)
    for pattern, constraint in requirements.forbidden_regexes.items():
        if read_texts("regex", pattern, [text])[0].accepted:
            yield Violation(constraint, 1, 1, "the text is one that the pattern forbids")


def _document(text: str, requirements: Requirements) -> Iterator[Violation]:
    try:
        document = json.loads(text, parse_constant=_no_such_constant)
    except RecursionError:
        yield Violation(LANGUAGE, 1, 1, "not JSON that can be read: it is nested too deeply")
        return
    except json.JSONDecodeError as error:
        yield Violation(LANGUAGE, error.lineno, error.colno, f"not JSON: {error.msg}")
        return
    except ValueError as error:
        yield Violation(LANGUAGE, 1, 1, f"not JSON: {error}")
        return
    for schema, constraint in requirements.schemas:
        faults = Draft202012Validator(schema).iter_errors(document)
        for fault, _ in zip(faults, range(_MOST_FAULTS_OF_A_DOCUMENT), strict=False):
            yield Violation(constraint, 1, 1, f"{fault.json_path}: {fault.message[:300]}")


def _no_such_constant(name: str) -> Any:
    raise ValueError(f"JSON has no {name}")


def _lines(text: str, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_line_length is None:
        return
    most, constraint = requirements.max_line_length
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > most:
            message = f"the line has {len(line)} characters; {most} are allowed"
            yield Violation(constraint, number, most + 1, message)


def _lengths(text: str, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_lines is not None:
        most, constraint = requirements.max_lines
        lines = len(text.splitlines())
        if lines > most:
            yield Violation(constraint, most + 1, 1, f"the text has {lines} lines; {most} are allowed")


def _words(text: str, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    for word, constraint in forbidden.items():
        if (start := text.find(word)) >= 0:
            yield _violation(text, start, constraint, f"{word!r} is forbidden")


def _required(text: str, wanted: Mapping[str, str]) -> Iterator[Violation]:
    for part, constraint in wanted.items():
        if part not in text:
            yield Violation(constraint, 1, 1, f"{part[:80]!r} does not occur")


def _read(text: str, kind: str, source: str, constraint: str) -> Iterator[Violation]:
    (reading,) = read_texts(kind, source, [text])
    if not reading.accepted:
        yield _violation(text, reading.end, constraint, _why(text, reading))


def _why(text: str, reading: Reading) -> str:
    if reading.end == len(text):
        return "the text may not end here"
    return f"{text[reading.end : reading.end + 20]!r} may not follow here"


def _violation(text: str, offset: int, constraint: str, message: str) -> Violation:
    line = text.count("\n", 0, offset) + 1
    return Violation(constraint, line, offset - (text.rfind("\n", 0, offset) + 1) + 1, message)
