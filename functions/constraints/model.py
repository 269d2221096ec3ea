"""Constraints as typed rules that a machine can act on. `reading` makes them of what clients send."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from functions.constraints.dotted import check_dotted, check_modules
from functions.constraints.syntax import check_words
from functions.failures import ConstraintRefused
from functions.validation_text_caps import check_regex

Kind = Literal["syntactic", "type_safety", "semantic", "architectural", "operational", "security"]
Severity = Literal["error", "warning", "info", "hint"]
Source = Literal[
    "AST_Pattern",
    "Type_System",
    "Control_Flow",
    "Data_Flow",
    "Test_Mining",
    "Documentation",
    "Telemetry",
    "User_Defined",
    "LLM_Analysis",
]
Language = Literal["python", "typescript", "json", "text"]

MAX_CONSTRAINTS = 20_000
MAX_NAMES = 10_000
Word = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Names = Annotated[tuple[Word, ...], Field(min_length=1, max_length=MAX_NAMES)]
NamesOrNone = Annotated[tuple[Word, ...], Field(max_length=MAX_NAMES)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=100_000)]


def check_pattern(pattern: str) -> str:
    """The regular expression, if it keeps to the bounds on what users may send; else `ValueError`."""
    try:
        check_regex(pattern)
    except ConstraintRefused as refused:
        raise ValueError(refused.reason) from None
    return pattern


class _Rule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _lists_are_tuples(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {key: tuple(value) if isinstance(value, list) else value for key, value in data.items()}


class SignatureRule(_Rule):
    """The text holds a function with exactly this head."""

    type: Literal["signature"]
    signature: Text


class NamingRule(_Rule):
    """Names of each kind match a pattern as a whole; `PascalCase` and its like are names of patterns."""

    type: Literal["naming"]
    functions: Text | None = None
    classes: Text | None = None
    variables: Text | None = None
    parameters: Text | None = None
    constants: Text | None = None

    @field_validator("functions", "classes", "variables", "parameters", "constants")
    @classmethod
    def _is_pattern(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            check_pattern(pattern)
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
        return pattern


class ForbidNamesRule(_Rule):
    """Identifiers that occur nowhere: as names, attributes, parameters, in imports. Dotted ones: as `forbid_calls`."""

    type: Literal["forbid_names"]
    names: Names

    _dotted = field_validator("names")(check_dotted)


class ForbidCallsRule(_Rule):
    """Functions that are not called, nor reached in a way that could call them; `python_names` says which ways."""

    type: Literal["forbid_calls"]
    calls: Names

    _dotted = field_validator("calls")(check_dotted)


class MustCallRule(_Rule):
    """Functions each of which is called."""

    type: Literal["must_call"]
    calls: Names

    _dotted = field_validator("calls")(check_dotted)


class ForbidImportsRule(_Rule):
    """Modules that are not imported, with all below them."""

    type: Literal["forbid_imports"]
    modules: Names

    _modules = field_validator("modules")(check_modules)


class AllowImportsRule(_Rule):
    """The only modules that are imported, each with all below it. Empty: none is."""

    type: Literal["allow_imports"]
    modules: NamesOrNone

    _modules = field_validator("modules")(check_modules)


class ForbidSyntaxRule(_Rule):
    """Words of `functions.constraints.syntax`, or names of Python's `ast` node classes."""

    type: Literal["forbid_syntax"]
    syntax: Names

    _known = field_validator("syntax")(check_words)


class AllowSyntaxRule(_Rule):
    """Of all the words of `functions.constraints.syntax`, the only ones that are used."""

    type: Literal["allow_syntax"]
    syntax: NamesOrNone

    _known = field_validator("syntax")(check_words)


class RequireAnnotationsRule(_Rule):
    """Every parameter (but `self` and `cls`) and every result of a function is annotated."""

    type: Literal["require_annotations"]


class RequireDocstringRule(_Rule):
    """Every function and class has a docstring that is not blank."""

    type: Literal["require_docstring"]


class MaxNestingRule(_Rule):
    """Compound statements within each other; a function within a function counts, the outermost one does not."""

    type: Literal["max_nesting"]
    max: Annotated[int, Field(ge=0, le=100)]


class MaxLinesRule(_Rule):
    """Lines of each function, its head and docstring included; of the text, where there are no functions."""

    type: Literal["max_lines"]
    max: Annotated[int, Field(ge=1, le=100_000)]


class MaxLineLengthRule(_Rule):
    """Characters of each line."""

    type: Literal["max_line_length"]
    max: Annotated[int, Field(ge=1, le=100_000)]


class MustContainRule(_Rule):
    """A text that occurs."""

    type: Literal["must_contain"]
    text: Text


class RegexRule(_Rule):
    """The whole text matches, in the syntax of Rust's `regex` crate."""

    type: Literal["regex"]
    pattern: Text

    _bounded = field_validator("pattern")(check_pattern)


class ForbidRegexRule(_Rule):
    """The whole text does not match: the negation of a `regex`."""

    type: Literal["forbid_regex"]
    pattern: Text

    _bounded = field_validator("pattern")(check_pattern)


class JsonSchemaRule(_Rule):
    """The text is JSON that is valid against the schema."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any] | bool, Field(alias="schema")]


class LarkRule(_Rule):
    """The text is in the language of the grammar (llguidance's Lark)."""

    type: Literal["lark"]
    grammar: Text


class ExamplesRule(_Rule):
    """Texts that all rules together must accept, and refuse. Checked when the set is compiled."""

    type: Literal["examples"]
    good: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()


Rule = Annotated[
    SignatureRule
    | NamingRule
    | ForbidNamesRule
    | ForbidCallsRule
    | MustCallRule
    | ForbidImportsRule
    | AllowImportsRule
    | ForbidSyntaxRule
    | AllowSyntaxRule
    | RequireAnnotationsRule
    | RequireDocstringRule
    | MaxNestingRule
    | MaxLinesRule
    | MaxLineLengthRule
    | MustContainRule
    | RegexRule
    | ForbidRegexRule
    | JsonSchemaRule
    | LarkRule
    | ExamplesRule,
    Field(discriminator="type"),
]


class Evidence(BaseModel):
    """Where a constraint was seen in source code."""

    model_config = ConfigDict(frozen=True)

    file: str
    line: int
    text: str = ""


class StatedConstraint(BaseModel):
    """One constraint of a set. `inferred`: its rule was read out of its description. Confidence is from 0 to 1.

    `place` is the JSON pointer at which it stands in the request.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    kind: Kind = "syntactic"
    severity: Severity = "error"
    description: str = ""
    confidence: float = 1.0
    source: Source = "User_Defined"
    priority: int = 0
    evidence: tuple[Evidence, ...] = ()
    rule: Rule | None = None
    inferred: bool = False
    place: str = Field(default="", exclude=True)


class ConstraintSet(BaseModel):
    """Constraints that hold together. `warnings` say what was made of what is not written as it should be."""

    model_config = ConfigDict(frozen=True)

    name: str = ""
    constraints: tuple[StatedConstraint, ...] = ()
    warnings: tuple[str, ...] = ()
