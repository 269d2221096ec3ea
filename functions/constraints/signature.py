"""The head of a function, read from what people write and written as `ruff format` writes it."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, repeat

from functions.failures import ConstraintRefused


@dataclass(frozen=True)
class Signature:
    """One function's head. `parameters` are all names that it binds, in order."""

    name: str
    head: str
    parameters: tuple[str, ...]
    is_async: bool


def read_signature(text: str, pointer: str = "/signature") -> Signature:
    """The signature in `def add(a: int) -> int`, with or without `def` and the colon.

    Raises `ConstraintRefused` for what is not the head of exactly one Python function.
    """
    source = text.strip().removesuffix("...").rstrip().removesuffix(":")
    if not source.startswith(("def ", "async ")):
        source = f"def {source}"
    try:
        tree = ast.parse(f"{source}:\n    pass\n")
        compile(tree, "<signature>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConstraintRefused(pointer, f"not the head of a Python function: {error}") from None
    match tree.body:
        case [ast.FunctionDef() | ast.AsyncFunctionDef() as function] if not function.decorator_list:
            return signature_of(function)
    raise ConstraintRefused(pointer, "not the head of one Python function: write `def name(...) -> type`")


def signature_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Signature:
    """The head of a function that is parsed already."""
    is_async = isinstance(function, ast.AsyncFunctionDef)
    returned = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    head = f"{'async ' * is_async}def {function.name}({', '.join(_parameters(function.args))}){returned}"
    return Signature(function.name, head, tuple(a.arg for a in all_arguments(function.args)), is_async)


def all_arguments(arguments: ast.arguments) -> list[ast.arg]:
    """Every parameter in the order in which it is written."""
    stars = ([arguments.vararg] if arguments.vararg else [], [arguments.kwarg] if arguments.kwarg else [])
    return [*arguments.posonlyargs, *arguments.args, *stars[0], *arguments.kwonlyargs, *stars[1]]


def _parameters(arguments: ast.arguments) -> Iterator[str]:
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = len(positional) - len(arguments.defaults)
    defaults = chain(repeat(None, without_default), arguments.defaults)
    for number, (parameter, default) in enumerate(zip(positional, defaults, strict=True), 1):
        yield _parameter(parameter, default)
        if number == len(arguments.posonlyargs):
            yield "/"
    if arguments.vararg:
        yield f"*{_parameter(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _parameter(parameter, default)
    if arguments.kwarg:
        yield f"**{_parameter(arguments.kwarg, None)}"


def _parameter(parameter: ast.arg, default: ast.expr | None) -> str:
    annotation = f": {ast.unparse(parameter.annotation)}" if parameter.annotation else ""
    if default is None:
        return parameter.arg + annotation
    return f"{parameter.arg}{annotation}{' = ' if annotation else '='}{ast.unparse(default)}"
