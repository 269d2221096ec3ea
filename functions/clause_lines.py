"""Where in its code a clause of a specification is realised: the lines that can be told from the syntax alone.

A parameter is where its name is read, what is returned is where something is, an exception is where it is raised. An
assertion or an example is realised by the whole: what shows that it holds is the evidence, so it has no lines.
"""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

Lines = tuple[int, ...]


def lines_of_clauses(code: str, ir: Mapping[str, Any]) -> dict[str, Lines]:
    """By JSON pointer, the lines, from 1 and in order; nothing of a clause that is seen nowhere."""
    signature = ir["signature"]
    function = _function(code, signature["name"])
    if function is None:
        return {}
    body = list(_own_nodes(function))
    found = {"/signature": _span(function.lineno, _head_end(function)), "/intent": _docstring(function)}
    for i, parameter in enumerate(signature.get("parameters") or []):
        found[f"/signature/parameters/{i}"] = _reads(function, parameter["name"])
    found["/signature/returns"] = _starts(node for node in body if isinstance(node, ast.Return | ast.Yield))
    for i, raised in enumerate(signature.get("raises") or []):
        found[f"/signature/raises/{i}"] = _raises(body, raised)
    return {pointer: lines for pointer, lines in found.items() if lines}


def _function(code: str, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        module = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            return node
    return None


def _own_nodes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """What is in the body, without what functions and classes in it do on their own account."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting[:0] = ast.iter_child_nodes(node)


def _head_end(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The last line of the head; a body on that line is part of it."""
    return max(function.lineno, function.body[0].lineno - 1) if _ends_later(function) else function.lineno


def _ends_later(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    parts = [*ast.walk(function.args), *([function.returns] if function.returns else [])]
    return any(getattr(part, "end_lineno", 0) > function.lineno for part in parts)


def _docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Lines:
    first = function.body[0]
    if ast.get_docstring(function) is None:
        return ()
    return _span(first.lineno, first.end_lineno or first.lineno)


def _reads(function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> Lines:
    return _starts(
        node
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    )


def _raises(body: list[ast.AST], wanted: str) -> Lines:
    """Statements that raise the class or an instance of it, by its last name."""
    last = wanted.rpartition(".")[2]
    return _starts(node for node in body if isinstance(node, ast.Raise) and _raised(node) == last)


def _raised(node: ast.Raise) -> str:
    raised = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
    match raised:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _starts(nodes: Iterator[ast.AST]) -> Lines:
    return tuple(sorted({node.lineno for node in nodes if isinstance(node, ast.expr | ast.stmt)}))


def _span(first: int, last: int) -> Lines:
    return tuple(range(first, last + 1))
