"""What is left of an alternative of a grammar when rules that it names are gone: without the parts that need them."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?:(?P<literal>"(?:\\.|[^"\\])*"|/(?:\\.|[^/\\])+/)
    |(?P<quantifier>[?*+]|\{\d+,\w+\})
    |(?P<name>[A-Za-z_]\w*(?:::\w+(?:\([^)]*\))?)?)
    |(?P<sign>[()|&~]))""",
    re.VERBOSE,
)
Sequence = list["_Item"]


@dataclass
class _Item:
    """A name, a literal or a sign (`text`), or a group in parentheses; with its quantifier."""

    text: str = ""
    group: list[Sequence] | None = None
    quantifier: str = ""

    @property
    def is_optional(self) -> bool:
        return self.quantifier in {"?", "*"} or self.quantifier.startswith("{0")

    def __str__(self) -> str:
        inner = f"({_written(self.group)})" if self.group is not None else self.text
        return inner + self.quantifier


def without(text: str, gone: Collection[str]) -> str | None:
    """The text without what needs the rules `gone`; None if all of it does."""
    tokens = _TOKEN.finditer(text)
    left = _pruned(_read(tokens), gone)
    return _written(left) if left else None


def _read(tokens: Iterator[re.Match[str]]) -> list[Sequence]:
    """Alternatives up to the closing parenthesis, or the end."""
    alternatives: list[Sequence] = [[]]
    for token in tokens:
        sequence = alternatives[-1]
        if token["quantifier"]:
            sequence[-1].quantifier = token["quantifier"]
        elif token["sign"] == "(":
            sequence.append(_Item(group=_read(tokens)))
        elif token["sign"] == ")":
            break
        elif token["sign"] == "|":
            alternatives.append([])
        else:
            sequence.append(_Item(token["literal"] or token["name"] or token["sign"]))
    return alternatives


def _pruned(alternatives: list[Sequence], gone: Collection[str]) -> list[Sequence]:
    left = (_pruned_sequence(sequence, gone) for sequence in alternatives)
    return [sequence for sequence in left if sequence is not None]


def _pruned_sequence(sequence: Sequence, gone: Collection[str]) -> Sequence | None:
    kept: Sequence = []
    for item in sequence:
        if item.group is not None:
            group = _pruned(item.group, gone)
            if group:
                kept.append(_Item(group=group, quantifier=item.quantifier))
            elif not item.is_optional:
                return None
        elif item.text.partition("::")[0] not in gone:
            kept.append(item)
        elif not item.is_optional:
            return None
    return kept


def _written(alternatives: list[Sequence]) -> str:
    return " | ".join(" ".join(map(str, sequence)) for sequence in alternatives)
