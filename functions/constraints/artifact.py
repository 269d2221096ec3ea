"""The one thing that the decoder is given for a set of requirements, and what is left to be checked afterwards.

At most one of four kinds holds at decoding: a given Lark grammar, a JSON schema, the grammar of a programming language,
or regular expressions. What the others ask for is checked on the finished text.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from functions.constraints.json_schemas import NothingLeft, merged
from functions.constraints.model import Language
from functions.constraints.python_grammar import python_grammar
from functions.constraints.requirements import Requirements
from functions.constraints.schema_parts import with_shared_names
from functions.constraints.typescript_grammar import typescript_grammar
from functions.constraints.word_patterns import any_of, slashed
from functions.failures import ConstraintRefused
from functions.generation import Constraint
from functions.validation_trial import NOTHING_SATISFIES

Base = Literal["lark", "schema", "code", "regex", "nothing"]
GrammarOf = Callable[[Requirements], Constraint]
CODE: dict[Language, GrammarOf] = {"python": python_grammar, "typescript": typescript_grammar}
"""The languages that code can be held to while it is written."""


@dataclass(frozen=True)
class Artifact:
    """What goes to the engine, None for free text; `base` is what kind of rule it is made of."""

    base: Base
    constraint: Constraint | None


def artifact(requirements: Requirements, language: Language, *, is_code: bool) -> Artifact:
    """Raises `ConstraintRefused` when nothing can satisfy the requirements, as far as that shows already.

    `is_code`: the text is code in `language` even where no rule says so.
    """
    base = base_of(requirements, language, is_code=is_code)
    match base:
        case "lark":
            return Artifact(base, Constraint(kind="grammar", source=requirements.grammars[0][0]))
        case "schema":
            try:
                schema = merged([schema for schema, _ in requirements.schemas])
            except NothingLeft as nothing:
                raise ConstraintRefused("", f"{NOTHING_SATISFIES}: {nothing}") from None
            opened = with_shared_names(schema) if isinstance(schema, dict) else {}
            return Artifact(base, Constraint.of("json_schema", opened))
        case "code":
            return Artifact(base, CODE[language](requirements))
        case "regex":
            return Artifact(base, regex_constraint(requirements))
    return Artifact(base, None)


def base_of(requirements: Requirements, language: Language, *, is_code: bool) -> Base:
    """Which kind of rule is enforced while the text is written."""
    if requirements.grammars:
        return "lark"
    if requirements.schemas:
        return "schema"
    if language in CODE and (is_code or requirements.restricts_code):
        return "code"
    if requirements.regexes or requirements.forbidden_regexes or (language == "text" and requirements.forbidden_names):
        return "regex"
    return "nothing"


def language_of_text(requirements: Requirements, language: Language, base: Base, *, is_code: bool) -> Language:
    """What kind of text is asked for, where a set says it by its rules alone."""
    if base == "schema":
        return "json"
    return language if base == "code" or is_code or requirements.restricts_code else "text"


def regex_constraint(requirements: Requirements) -> Constraint:
    """`A & B & ~C`: a plain regex where there is one alone, else a terminal of a Lark grammar."""
    patterns = list(requirements.regexes)
    negated = list(requirements.forbidden_regexes)
    if requirements.forbidden_names:
        negated.append(rf"(?s:.*){any_of(requirements.forbidden_names)}(?s:.*)")
    if len(patterns) == 1 and not negated:
        return Constraint(kind="regex", source=patterns[0])
    terms = [f"/{slashed(pattern)}/" for pattern in patterns or [r"(?s:.+)"]]
    terms += [f"~/{slashed(pattern)}/" for pattern in negated]
    return Constraint(kind="grammar", source=f"start: TEXT\nTEXT: {' & '.join(terms)}\n")


def formats(constraint: Constraint | None) -> dict[str, Any]:
    """The same artifact in the forms that clients ask for: always `grammar`, and the plainer form it came from."""
    if constraint is None:
        return {}
    match constraint.kind:
        case "json_schema":
            schema = json.loads(constraint.source)
            return {"json-schema": schema, "grammar": f"start: %json {constraint.source}"}
        case "regex":
            return {"regex": constraint.source, "grammar": f"start: TEXT\nTEXT: /{slashed(constraint.source)}/\n"}
    return {"grammar": constraint.source}
