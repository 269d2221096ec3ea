"""Regexes of literals: what a model may write down for a value, bounded, so that one that loops comes to an end."""

import ast

_STRING = r"'[^'\\\x00-\x1f\x7f\"]{0,40}'"
_INTEGER = r"-?(0|[1-9][0-9]{0,8})"
_SCALARS = {
    "int": _INTEGER,
    "float": rf"{_INTEGER}\.[0-9]{{1,4}}",
    "str": _STRING,
    "bool": "(True|False)",
    "bytes": "b" + _STRING,
}
_SCALAR = rf"({_INTEGER}(\.[0-9]{{1,4}})?|{_STRING}|True|False|None)"
_ENTRY = rf"{_SCALAR}: {_SCALAR}"
_FLAT = (
    rf"({_SCALAR}|\[({_SCALAR}(, {_SCALAR}){{0,5}})?\]|\({_SCALAR}, {_SCALAR}(, {_SCALAR})?\)"
    rf"|\{{({_ENTRY}(, {_ENTRY}){{0,2}})?\}})"
)
ANY_LITERAL = rf"({_FLAT}|\[{_FLAT}(, {_FLAT}){{0,2}}\])"
"""Of a type that is not known."""
_LENGTHS = (6, 4, 2)
"""Items of a container, by how deep it is in others; deeper ones are not told apart."""


def literal_pattern(annotation: str) -> str:
    """The regex, without anchors, of a type that is written with builtins; for any other, of any literal."""
    return _pattern(ast.parse(annotation, mode="eval").body, 0)


def _pattern(node: ast.expr, depth: int) -> str:  # noqa: PLR0911 - one case for each form of a type
    match node:
        case ast.Constant(value=None):
            return "None"
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return rf"({_pattern(left, depth)}|{_pattern(right, depth)})"
        case ast.Name(id=name) if name in _SCALARS:
            return _SCALARS[name]
        case ast.Subscript(value=ast.Name(id="list"), slice=item) if depth < len(_LENGTHS):
            return rf"\[{_items(_pattern(item, depth + 1), depth)}\]"
        case ast.Subscript(value=ast.Name(id="set"), slice=item) if depth < len(_LENGTHS):
            return rf"\{{{_some(_pattern(item, depth + 1), depth)}\}}"
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])) if depth < len(_LENGTHS):
            return rf"\{{{_items(rf'{_pattern(key, depth + 1)}: {_pattern(item, depth + 1)}', depth)}\}}"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=end)])) if (
            end is ... and depth < len(_LENGTHS)
        ):
            return rf"\(({_pattern(item, depth + 1)}, )({_some(_pattern(item, depth + 1), depth)})?\)"
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            return rf"\({', '.join(_pattern(item, depth + 1) for item in items)}\)"
        case _:
            return ANY_LITERAL if depth == 0 else _SCALAR


def _items(item: str, depth: int) -> str:
    return rf"({_some(item, depth)})?"


def _some(item: str, depth: int) -> str:
    return rf"{item}(, {item}){{0,{_LENGTHS[depth] - 1}}}"
