"""Inputs to try a function with, out of the types of its parameters. Imported in the sandbox alone."""

import ast
import string
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

Strategy = st.SearchStrategy[Any]

MOST_ITEMS = 6
PAIR = 2
_ANY = ast.Name("int")
"""What a collection of anything is tried with."""
_LETTERS = string.ascii_letters + string.digits + string.punctuation + " \n"
# Small numbers and few letters first: equal values, neighbours and repetitions are where faults are, and what shrinks.
_INTEGERS = st.integers(-10, 10) | st.integers(-1_000, 1_000)
_FLOATS = st.integers(-10, 10).map(float) | st.floats(-1_000, 1_000, allow_nan=False, width=32)
_TEXTS = st.text("ab 1", max_size=MOST_ITEMS) | st.text(_LETTERS, max_size=12)
_SCALARS: dict[str, Strategy] = {
    "int": _INTEGERS,
    "float": _FLOATS,
    "str": _TEXTS,
    "bool": st.booleans(),
    "bytes": st.binary(max_size=MOST_ITEMS),
    "object": st.none() | st.booleans() | _INTEGERS | _TEXTS,
    "Any": st.none() | st.booleans() | _INTEGERS | _TEXTS,
}


def inputs(annotations: Sequence[str], examples: Sequence[Sequence[Any]]) -> Strategy | None:
    """Tuples of arguments; a parameter also takes what it has in an example. None when a type gives no values."""
    columns = list(zip(*examples, strict=True)) if examples else [()] * len(annotations)
    strategies = []
    for annotation, seen in zip(annotations, columns, strict=True):
        known = [] if (of_type := of(annotation)) is None else [of_type]
        known += [st.sampled_from(seen)] if seen else []
        if not known:
            return None
        strategies.append(st.one_of(known))
    return st.tuples(*strategies)


def of(annotation: str) -> Strategy | None:
    """Values of a type that is made of builtins; None for any other."""
    return _of(ast.parse(annotation, mode="eval").body)


def _of(node: ast.expr) -> Strategy | None:  # noqa: PLR0911 - one case for each form of a type
    match node:
        case ast.Constant(value=None):
            return st.none()
        case ast.Name(id=name) if name in _SCALARS:
            return _SCALARS[name]
        case ast.Name(id="dict"):
            return _collection("dict", [_ANY, _ANY])
        case ast.Name(id=name):
            return _collection(name, [_ANY])
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            either = [_of(left), _of(right)]
            return None if None in either else st.one_of([one for one in either if one is not None])
        case ast.Subscript(value=ast.Name(id=name), slice=ast.Tuple(elts=items)):
            return _collection(name, items)
        case ast.Subscript(value=ast.Name(id=name), slice=item):
            return _collection(name, [item])
        case _:
            return None


def _collection(name: str, items: Sequence[ast.expr]) -> Strategy | None:  # noqa: PLR0911 - as above
    """`items` are the types between the brackets."""
    repeated = len(items) == PAIR and isinstance(items[1], ast.Constant) and items[1].value is ...
    of_items = [_of(item) for item in (items[:1] if repeated else items)]
    known = [one for one in of_items if one is not None]
    if len(known) < len(of_items):
        return None
    match name.lower():
        case "list" | "sequence" | "iterable":
            return st.lists(known[0], max_size=MOST_ITEMS)
        case "set":
            return st.sets(known[0], max_size=MOST_ITEMS)
        case "dict" | "mapping" if len(known) == PAIR:
            return st.dictionaries(known[0], known[1], max_size=MOST_ITEMS)
        case "tuple":
            return st.lists(known[0], max_size=MOST_ITEMS).map(tuple) if repeated else st.tuples(*known)
        case "optional":
            return st.none() | known[0]
        case _:
            return None
