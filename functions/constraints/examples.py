"""Examples that a set gives of itself: good texts that it must accept, bad ones that it must refuse."""

import ast
from collections.abc import Sequence

from functions.constraints.artifact import Artifact
from functions.constraints.conflicts import Contradiction
from functions.constraints.judging import judge
from functions.constraints.model import Language
from functions.constraints.requirements import Requirements
from functions.constraints.trial import Reading, read_texts
from functions.constraints.violations import Violation
from functions.validation import ConstraintValidator


async def contradicted_example(
    validator: ConstraintValidator, requirements: Requirements, language: Language, made: Artifact
) -> Contradiction | None:
    """The first good example that is refused, or bad one that is accepted, with the constraints that refuse it.

    Code is read as it is written, and in the style of `ast.unparse`, which is the grammar's.
    """
    for rule, name in requirements.examples:
        for text in rule.good:
            violations, readings = await _judged(validator, text, requirements, language, made)
            if violations:
                others = [v.constraint for v in violations if v.constraint]
                why = f"the good example {text[:60]!r} is refused: {violations[0].message}"
                return Contradiction.of(why, *others, name)
            if readings and not any(reading.accepted for reading in readings):
                end = max(reading.end for reading in readings)
                why = f"the good example {text[:60]!r} is refused by the grammar after {text[:end][-40:]!r}"
                return Contradiction.of(why, name)
        for text in rule.bad:
            violations, readings = await _judged(validator, text, requirements, language, made)
            if not violations and (not readings or any(reading.accepted for reading in readings)):
                return Contradiction.of(f"nothing refuses the bad example {text[:60]!r}", name)
    return None


async def _judged(
    validator: ConstraintValidator, text: str, requirements: Requirements, language: Language, made: Artifact
) -> tuple[list[Violation], list[Reading]]:
    """What the text breaks, and how the artifact reads it in each of its spellings; both in one child process."""
    judged: tuple[list[Violation], list[Reading]] = await validator.run_limited(
        judge_example,
        text,
        requirements,
        language,
        None if made.constraint is None else (made.constraint.kind, made.constraint.source),
    )
    return judged


def judge_example(
    text: str, requirements: Requirements, language: Language, made: tuple[str, str] | None
) -> tuple[list[Violation], list[Reading]]:
    """For the child process: `made` is the artifact's kind and source."""
    (violations,) = judge([text], requirements, language)
    return violations, read_texts(*made, _spellings(text, language)) if made else []


def _spellings(text: str, language: Language) -> Sequence[str]:
    spellings = [text, text.strip("\n")]
    if language == "python":
        try:
            spellings.append(ast.unparse(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return spellings
    return list(dict.fromkeys(spellings))
