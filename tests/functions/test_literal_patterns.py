"""What the patterns of literals take fits the type, and little that fits is left out."""

import ast
import re

import pytest

from functions.literal_patterns import literal_pattern
from functions.type_fitting import fits

VALUES = [
    "1", "-20", "1.5", "0.0", "'a b'", "''", "True", "None", "b'a'", "[]", "[1]", "[1, 2]", "['a', 'b']", "[1.5]",
    "[[1, 2], []]", "{'a': 1}", "{}", "{'a': [1, 2]}", "(1, 2)", "('a', 1)", "[(1, 2), (3, 4)]", "{1, 2}", "(1, )",
]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [
        "int", "float", "str", "bool", "None", "bytes", "list[int]", "list[list[int]]", "dict[str, int]",
        "dict[str, list[int]]", "tuple[int, int]", "tuple[str, int]", "list[tuple[int, int]]", "int | None", "set[int]",
        "list[float]", "tuple[int, ...]",
    ],
)  # fmt: skip
def test_exactly_what_fits_is_taken(kind: str):
    pattern = re.compile(literal_pattern(kind))
    for text in VALUES:
        value = ast.literal_eval(text)
        taken = pattern.fullmatch(text) is not None
        assert not taken or fits(value, kind), (kind, text)
        if "float" not in kind:  # whose values are written with their point
            assert taken or not fits(value, kind), (kind, text)


def test_what_is_not_known_is_any_literal():
    for text in ["1", "'a'", "[1, 'a']", "{'a': None}", "(1, 2)", "[[1], [2]]"]:
        assert re.fullmatch(literal_pattern("Decimal"), text)
        assert re.fullmatch(literal_pattern("object"), text)
