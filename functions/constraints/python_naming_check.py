"""The names that a parsed Python text binds, by role, against the patterns for that role."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Literal

from functions.constraints.python_names import UPPER_CASE
from functions.constraints.requirements import NamePattern
from functions.constraints.violations import Violation

Role = Literal["functions", "classes", "variables", "parameters", "constants", "fields"]
Binding = tuple[ast.AST, str, Role]
_ROLE_WORDS = {"functions": "function", "classes": "class", "variables": "variable", "parameters": "parameter"}


def naming_violations(tree: ast.Module, naming: Mapping[str, list[NamePattern]]) -> Iterator[Violation]:
    """A name assigned in a module is a constant, or else a variable; one assigned in a class is neither."""
    if not naming:
        return
    for node, name, role in bindings(tree):
        if role == "constants":
            yield from _constant(node, name, naming)
        else:
            yield from _mismatches(node, name, _ROLE_WORDS.get(role, role), naming.get(role, []))


def _constant(node: ast.AST, name: str, naming: Mapping[str, list[NamePattern]]) -> Iterator[Violation]:
    variables = naming.get("variables")
    constants = naming.get("constants")
    if variables is None:
        yield from _mismatches(node, name, "constant", constants or [])
    elif any(_mismatches(node, name, "variable", variables)):
        if constants is not None:
            yield from _mismatches(node, name, "constant", constants)
        elif not re.fullmatch(UPPER_CASE, name, re.ASCII):
            yield from _mismatches(node, name, "variable", variables)


def _mismatches(node: ast.AST, name: str, word: str, patterns: list[NamePattern]) -> Iterator[Violation]:
    for pattern, constraint in ((p.pattern, p.constraint) for p in patterns):
        if not re.fullmatch(pattern, name, re.ASCII):
            line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
            yield Violation(constraint, line, column, f"the {word} {name} does not match {pattern}")


def bindings(tree: ast.Module) -> Iterator[Binding]:
    """Every name that the text binds, with its role; imported names and those deleted or declared have none."""
    waiting: list[tuple[ast.AST, Role]] = [(node, "constants") for node in tree.body]
    while waiting:
        node, assigned = waiting.pop()
        inner: list[tuple[ast.AST, Role]] = []
        match node:
            case ast.FunctionDef(name=name, body=body) | ast.AsyncFunctionDef(name=name, body=body):
                yield node, name, "functions"
                inner = [(part, "variables") for part in body]
            case ast.ClassDef(name=name, body=body):
                yield node, name, "classes"
                inner = [(part, "fields") for part in body]
            case ast.arg(arg=name):
                yield node, name, "parameters"
            case ast.Name(id=name, ctx=ast.Store()):
                yield node, name, assigned
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node, name, "variables"
            case ast.MatchMapping(rest=str(name)):
                yield node, name, "variables"
        own = {id(part) for part, _ in inner}
        waiting += inner
        waiting += [(part, _role(node, part, assigned)) for part in ast.iter_child_nodes(node) if id(part) not in own]


def _role(node: ast.AST, part: ast.AST, assigned: Role) -> Role:
    """What a name is that is stored in `part` of `node`: only assignments make constants and fields."""
    match node:
        case ast.For(target=target) | ast.AsyncFor(target=target):
            return "variables" if part is target else assigned
        case ast.comprehension() | ast.NamedExpr() | ast.withitem():
            return "variables"
    return assigned
