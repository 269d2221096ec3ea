"""Parts of a specification as people write them in one line: a type, a head, a call with what it gives."""

import ast
import re

from pydantic import ValidationError

from functions.ir import Example, Signature

_RAISES = re.compile(r"(.+?)\s+raises\s+([A-Za-z_][A-Za-z0-9_.]*)\.?", re.DOTALL)
_ARROW = re.compile(r"(.+?)\s*->\s*(.+)", re.DOTALL)


def read_type(text: str) -> str | None:
    """A type such as `list[int] | None`; None for what is not written as one."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    allowed = (
        ast.Expression, ast.Name, ast.Attribute, ast.Subscript, ast.Tuple, ast.List, ast.BinOp, ast.BitOr,
        ast.Constant, ast.Load,
    )  # fmt: skip
    is_type = all(isinstance(node, allowed) for node in ast.walk(tree)) and not isinstance(
        tree.body, ast.Tuple | ast.List
    )
    if isinstance(tree.body, ast.Constant) and tree.body.value is not None:
        return None
    return ast.unparse(tree) if is_type else None


def read_head(text: str, old: Signature) -> Signature | None:
    """The head in `def f(a: int, b: int = 0) -> int`; what it cannot say (raises, descriptions) is of the old one."""
    if not text.startswith("def "):
        return None
    try:
        match ast.parse(f"{text.rstrip().rstrip(':')}: ...").body:
            case [ast.FunctionDef(name=name, args=given, returns=returns)]:
                pass
            case _:
                return None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if given.vararg or given.kwarg or given.kwonlyargs or given.posonlyargs:
        return None
    described = {parameter.name: parameter.description for parameter in old.parameters}
    defaults = [*[None] * (len(given.args) - len(given.defaults)), *given.defaults]
    parameters = [
        {
            "name": argument.arg,
            "type": ast.unparse(argument.annotation) if argument.annotation else "object",
            "description": described.get(argument.arg, ""),
            "default": ast.unparse(default) if default else None,
        }
        for argument, default in zip(given.args, defaults, strict=True)
    ]
    kind = ast.unparse(returns) if returns else old.returns
    try:
        return Signature.model_validate({"name": name, "parameters": parameters, "returns": kind, "raises": old.raises})
    except ValidationError:
        return None


def read_example(text: str, signature: Signature) -> Example | None:
    """The example in `f(1) == 2`, `f(1) -> 2` or `f(0) raises ValueError`; None for anything else."""
    if raised := _RAISES.fullmatch(text):
        return _example(raised[1], signature, raises=raised[2])
    try:
        match ast.parse(text, mode="eval").body:
            case ast.Compare(left=ast.Call() as call, ops=[ast.Eq()], comparators=[result]):
                return _example(ast.unparse(call), signature, result=ast.unparse(result))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    if arrow := _ARROW.fullmatch(text):
        return _example(arrow[1], signature, result=arrow[2])
    return None


def _example(
    call: str, signature: Signature, *, result: str | None = None, raises: str | None = None
) -> Example | None:
    try:
        match ast.parse(call.strip(), mode="eval").body:
            case ast.Call(func=ast.Name(id=name), args=given, keywords=[]) if name == signature.name:
                arguments = [ast.unparse(argument) for argument in given]
                return Example(arguments=arguments, result=result, raises=raises)
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # pydantic's ValidationError is a ValueError
        return None
    return None
