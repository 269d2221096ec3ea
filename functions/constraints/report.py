"""Where each constraint of a set is enforced, and why there: nothing is dropped in silence."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from functions.constraints import model
from functions.constraints.artifact import Base
from functions.constraints.model import Language, StatedConstraint

Enforced = Literal["decoding", "after", "prompt", "dropped"]

_CODE_RULES = (
    model.SignatureRule
    | model.NamingRule
    | model.ForbidNamesRule
    | model.ForbidCallsRule
    | model.ForbidImportsRule
    | model.AllowImportsRule
    | model.ForbidSyntaxRule
    | model.AllowSyntaxRule
    | model.RequireAnnotationsRule
    | model.RequireDocstringRule
    | model.MaxNestingRule
)
_AFTER = model.MustCallRule | model.MustContainRule | model.MaxLinesRule | model.MaxLineLengthRule
_IN_WORDS: dict[Base, str] = {
    "lark": "the given grammar",
    "schema": "the JSON schema",
    "code": "the grammar of the language",
    "regex": "the regular expressions",
    "nothing": "nothing",
}


class Row(BaseModel):
    """One constraint: where it is enforced, and why there. `inferred`: its rule was read out of its description."""

    model_config = ConfigDict(frozen=True)

    name: str
    enforced: Enforced
    why: str
    inferred: bool = False
    confidence: float = 1.0


def report(
    constraints: Sequence[StatedConstraint], dropped: Mapping[str, str], base: Base, language: Language
) -> Iterator[Row]:
    """A row for each constraint, in their order; `dropped` says why those that gave way did."""
    for stated in constraints:
        if stated.name in dropped:
            enforced, why = "dropped", dropped[stated.name]
        else:
            enforced, why = _place(stated, base, language)
        yield Row(
            name=stated.name,
            enforced=enforced,  # type: ignore[arg-type] # one of the four, from two places
            why=why,
            inferred=stated.inferred,
            confidence=stated.confidence,
        )


def _place(stated: StatedConstraint, base: Base, language: Language) -> tuple[Enforced, str]:  # noqa: PLR0911 - one answer a kind of rule
    rule = stated.rule
    match rule:
        case None:
            return "prompt", "it states no rule that a machine could act on; the model is told in words"
        case model.ExamplesRule():
            return "decoding", "the examples were tried on what was compiled: good ones pass, bad ones do not"
        case _ if isinstance(rule, _AFTER):
            return "after", "no grammar can hold this; the finished text is checked, and written again if it fails"
    if language == "typescript" and isinstance(rule, model.RequireDocstringRule | model.MaxNestingRule):
        return "after", "the grammar of this language cannot hold it; the finished text is checked"
    if isinstance(rule, _CODE_RULES):
        return _placed(base == "code" or (base == "regex" and isinstance(rule, model.ForbidNamesRule)), "code", base)
    if isinstance(rule, model.RegexRule | model.ForbidRegexRule):
        return _placed(base == "regex", "regex", base)
    if isinstance(rule, model.JsonSchemaRule):
        return _placed(base == "schema", "schema", base)
    return _placed(base == "lark", "lark", base)


def _placed(is_held: bool, own: Base, base: Base) -> tuple[Enforced, str]:  # noqa: FBT001 - private, named at each call
    if is_held:
        return "decoding", f"{_IN_WORDS[own if own != 'code' or base == 'code' else base]} hold it, token by token"
    return "after", f"while writing, {_IN_WORDS[base]} is enforced; this is checked on the finished text"
