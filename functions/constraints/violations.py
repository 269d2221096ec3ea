"""What a text breaks, and where."""

from typing import NamedTuple


class Violation(NamedTuple):
    """`constraint` is broken at a place: lines from 1, columns (characters) from 1."""

    constraint: str
    line: int
    column: int
    message: str


LANGUAGE = ""
"""The `constraint` of a violation of the language itself: the text does not parse."""
