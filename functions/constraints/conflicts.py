"""Proofs that requirements cannot hold together, as far as that shows without a decoder.

Each proof names the constraints that exclude each other, and no others: the set without any one of them is not refuted
by it. What only llguidance can prove (an empty intersection) is in `compilation`.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from functions.constraints.code_checks import CHECKS, EMPTY_FUNCTIONS
from functions.constraints.dotted import covering, prefixes
from functions.constraints.model import Language
from functions.constraints.requirements import Requirements, guarded_prefixes


@dataclass(frozen=True)
class Contradiction:
    """Constraints, by name, that cannot hold together, and why."""

    constraints: tuple[str, ...]
    why: str

    @classmethod
    def of(cls, why: str, *names: str) -> "Contradiction":
        """Each name once."""
        return cls(tuple(dict.fromkeys(names)), why)


def contradictions(requirements: Requirements, language: Language = "python") -> Iterator[Contradiction]:
    """What is contradictory, found by looking at the rules in pairs."""
    yield from _kinds_of_text(requirements)
    yield from _signatures(requirements, language)
    yield from _required_calls(requirements)
    yield from _required_texts(requirements)


def _kinds_of_text(requirements: Requirements) -> Iterator[Contradiction]:
    """A JSON document is no function."""
    if requirements.schemas and requirements.signatures:
        (_, schema), (signature, head) = requirements.schemas[0], requirements.signatures[0]
        yield Contradiction.of(f"a text with `{signature.head}` is not JSON", schema, head)
    if requirements.schemas and requirements.must_call:
        call, constraint = next(iter(requirements.must_call.items()))
        yield Contradiction.of(f"JSON calls nothing, so not {call}", requirements.schemas[0][1], constraint)


def _signatures(requirements: Requirements, language: Language) -> Iterator[Contradiction]:
    if not requirements.signatures or language not in CHECKS:
        return
    first, name = requirements.signatures[0]
    for other, other_name in requirements.signatures[1:]:
        if other.head != first.head:
            why = f"one function cannot have the heads `{first.head}` and `{other.head}`"
            yield Contradiction.of(why, name, other_name)
    only_head = Requirements(
        naming=requirements.naming,
        forbidden_names=requirements.forbidden_names,
        forbidden_calls=requirements.forbidden_calls,
        forbidden_marks=requirements.forbidden_marks,
        annotations=requirements.annotations,
    )
    for violation in CHECKS[language](EMPTY_FUNCTIONS[language].format(head=first.head), only_head):
        if violation.line == 1:
            yield Contradiction.of(f"`{first.head}`: {violation.message}", name, violation.constraint)


def _required_calls(requirements: Requirements) -> Iterator[Contradiction]:
    guarded = guarded_prefixes(requirements.forbidden_calls)
    for call, constraint in requirements.must_call.items():
        for beginning in (*prefixes(call), call):
            if beginning in requirements.forbidden_calls:
                other = requirements.forbidden_calls[beginning]
                yield Contradiction.of(f"{call} must be called, and {beginning} must not", constraint, other)
        if call in guarded:
            why = f"{call} must be called, and nothing but what is below it may be used"
            yield Contradiction.of(why, constraint, guarded[call])
        for part in call.split("."):
            if part in requirements.forbidden_names:
                other = requirements.forbidden_names[part]
                yield Contradiction.of(f"{call} must be called, and the name {part} is forbidden", constraint, other)
        for mark in ("call", *(["attribute"] if "." in call else [])):
            if mark in requirements.forbidden_marks:
                other = requirements.forbidden_marks[mark]
                yield Contradiction.of(f"{call} must be called, and {mark} is forbidden", constraint, other)
        yield from _unimportable(requirements, call, constraint)


def _unimportable(requirements: Requirements, call: str, constraint: str) -> Iterator[Contradiction]:
    """A function of a module that may not be imported; names that are no module's may come from elsewhere."""
    module, dot, _ = call.rpartition(".")
    known = {parameter for signature, _ in requirements.signatures for parameter in signature.parameters}
    root = call.partition(".")[0]
    if not dot or root in known:
        return
    if entry := covering(requirements.forbidden_imports, module) or covering(requirements.forbidden_imports, call):
        why = f"{call} must be called, and {entry} may not be imported"
        yield Contradiction.of(why, constraint, requirements.forbidden_imports[entry])
    if root not in sys.stdlib_module_names:
        return
    for allowed in requirements.allowed_imports:
        if not covering(allowed.modules, call) and not any(entry.startswith(f"{root}.") for entry in allowed.modules):
            why = f"{call} must be called, and {root} is not among the modules that may be imported"
            yield Contradiction.of(why, constraint, allowed.constraint)


def _required_texts(requirements: Requirements) -> Iterator[Contradiction]:
    for text, constraint in requirements.must_contain.items():
        lines = text.split("\n")
        if requirements.max_line_length is not None:
            most, other = requirements.max_line_length
            if any(len(line) > most for line in lines):
                yield Contradiction.of(f"a line of {text[:40]!r} is longer than {most} characters", constraint, other)
