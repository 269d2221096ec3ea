"""The inputs at which functions go wrong, by the types of their parameters."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from functions.ir import Signature

_EDGES: Mapping[str, Mapping[str, str]] = {
    "int": {"0": "zero", "-1": "a negative number"},
    "float": {"0.0": "zero", "-1.5": "a negative number"},
    "str": {"''": "an empty text"},
    "bytes": {"b''": "no bytes"},
    "bool": {"True": "True", "False": "False"},
    "list": {"[]": "an empty list"},
    "dict": {"{}": "an empty dict"},
    "set": {"set()": "an empty set"},
    "None": {"None": "None"},
}
_ORDINARY: Mapping[str, str] = {
    "int": "2", "float": "2.5", "str": "'ab'", "bytes": "b'ab'", "bool": "True", "None": "None", "object": "1"
}  # fmt: skip


@dataclass(frozen=True)
class EdgeCase:
    """A call's arguments, of which that for `parameter` is `what` ("an empty list")."""

    parameter: str
    what: str
    arguments: tuple[str, ...]


def edge_cases(signature: Signature, ordinary: tuple[str, ...] | None = None) -> list[EdgeCase]:
    """One argument at a time at the edge of its type, the others `ordinary` (chosen by their types unless given).

    Empty where a parameter is of a type that nothing is known of.
    """
    if ordinary is None:
        chosen = [ordinary_literal(parameter.type) for parameter in signature.parameters]
        ordinary = tuple(literal for literal in chosen if literal is not None)
    if len(ordinary) != len(signature.parameters):
        return []
    return [
        EdgeCase(parameter.name, what, (*ordinary[:i], literal, *ordinary[i + 1 :]))
        for i, parameter in enumerate(signature.parameters)
        for literal, what in edge_literals(parameter.type).items()
    ]


def edge_literals(annotation: str) -> dict[str, str]:
    """Literals of a type at its edges, each with what it is."""
    return _edges(ast.parse(annotation, mode="eval").body)


def ordinary_literal(annotation: str) -> str | None:
    """A literal of the type that is not at its edge; None for a type that is not written with builtins."""
    return _ordinary(ast.parse(annotation, mode="eval").body)


def _edges(node: ast.expr) -> dict[str, str]:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return {**_edges(left), **_edges(right)}
        case ast.Constant(value=None):
            return dict(_EDGES["None"])
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return dict(_EDGES.get(name, {}))
    return {}


def _ordinary(node: ast.expr) -> str | None:  # noqa: PLR0911 - one case for each form of a type
    match node:
        case ast.BinOp(left=left, op=ast.BitOr()):
            return _ordinary(left)
        case ast.Constant(value=None):
            return "None"
        case ast.Subscript(value=ast.Name(id="list" | "set" as name), slice=item):
            inner = _ordinary(item)
            return inner and (f"[{inner}]" if name == "list" else f"{{{inner}}}")
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, value])):
            keys, values = _ordinary(key), _ordinary(value)
            return f"{{{keys}: {values}}}" if keys and values else None
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=end)])) if (
            end is ...
        ):
            inner = _ordinary(item)
            return inner and f"({inner}, {inner})"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            inners = [inner for inner in map(_ordinary, items) if inner]
            return f"({', '.join(inners)},)" if len(inners) == len(items) else None
        case ast.Name(id="list"):
            return "[1]"
        case ast.Name(id="dict"):
            return "{'a': 1}"
        case ast.Name(id=name):
            return _ORDINARY.get(name)
    return None
