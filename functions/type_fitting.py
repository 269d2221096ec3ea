"""Whether a literal's value is of a type that is written with builtins. It may import the standard library alone."""

import ast
from typing import Any


def fits(value: Any, annotation: str) -> bool:
    """Whether a literal's value is of a type that is written with builtins; of others, nothing is known: True."""
    return _fits(value, ast.parse(annotation, mode="eval").body)


def _fits(value: Any, node: ast.expr) -> bool:  # noqa: C901, PLR0911 - one case for each form of a type
    match node:
        case ast.Constant(value=None):
            return value is None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _fits(value, left) or _fits(value, right)
        case ast.Name(id="float"):
            return isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="str" | "bool" | "bytes" | "list" | "dict" | "set" | "tuple" as name):
            return type(value).__name__ == name
        case ast.Subscript(value=ast.Name(id="list" | "set" as name), slice=item):
            return type(value).__name__ == name and all(_fits(one, item) for one in value)
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[key, item])):
            return isinstance(value, dict) and all(_fits(k, key) and _fits(v, item) for k, v in value.items())
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[item, ast.Constant(value=end)])) if (
            end is ...
        ):
            return isinstance(value, tuple) and all(_fits(one, item) for one in value)
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=items)):
            return isinstance(value, tuple) and len(value) == len(items) and all(map(_fits, value, items))
        case ast.Subscript(value=ast.Name(id="tuple"), slice=item):
            return isinstance(value, tuple) and len(value) == 1 and _fits(value[0], item)
        case _:
            return True
