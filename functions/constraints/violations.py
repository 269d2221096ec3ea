"""What a text breaks, and where."""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple


class Violation(NamedTuple):
    """`constraint` is broken at a place: lines from 1, columns (characters) from 1."""

    constraint: str
    line: int
    column: int
    message: str


LANGUAGE = ""
"""The `constraint` of a violation of the language itself: the text does not parse."""


def in_characters(violations: Iterable[Violation], lines: Sequence[bytes]) -> Iterator[Violation]:
    """The same with columns in characters, where a parser has counted bytes of UTF-8."""
    for violation in violations:
        before = lines[violation.line - 1][: violation.column - 1] if violation.line <= len(lines) else b""
        yield violation._replace(column=violation.column - len(before) + len(before.decode(errors="ignore")))
