"""Functions out of real Python code, as `ast.unparse` writes them."""

import ast
import random
import sysconfig
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from functions.constraints.python_check import python_violations
from functions.constraints.requirements import Requirements

MOST_LINES = 200
DEEPEST = 6
WELL_KNOWN = ("fastapi", "pydantic", "httpx", "structlog", "jinja2")
_NO_CODE_OF_OURS = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo"}


@dataclass(frozen=True)
class RealFunction:
    """`place` is the file and the line; `text` the function alone, outermost."""

    place: str
    text: str


def standard_library() -> list[Path]:
    """Its modules, without its own tests."""
    root = Path(sysconfig.get_path("stdlib"))
    return [file for file in sorted(root.rglob("*.py")) if not _NO_CODE_OF_OURS & set(file.relative_to(root).parts)]


def packages(names: Iterable[str] = WELL_KNOWN) -> list[Path]:
    """The modules of installed packages."""
    root = Path(sysconfig.get_path("purelib"))
    return [file for name in names for file in sorted((root / name).rglob("*.py"))]


def real_functions(files: Iterable[Path]) -> Iterator[RealFunction]:
    """Functions and methods of at most 200 lines, nested at most six deep, each on its own."""
    limit = Requirements(max_nesting=(DEEPEST, ""))
    for file in files:
        with warnings.catch_warnings(action="ignore"):
            try:
                tree = ast.parse(file.read_bytes())
            except SyntaxError:
                continue
        for function in _outermost(tree):
            text = ast.unparse(function)
            if text.count("\n") < MOST_LINES and not python_violations(text, limit):
                yield RealFunction(f"{file.parent.name}/{file.name}:{function.lineno}", text)


def sample(functions: Iterable[RealFunction], count: int, seed: int = 1) -> list[RealFunction]:
    """The same ones for the same seed."""
    everything = list(functions)
    return random.Random(seed).sample(everything, min(count, len(everything)))


def _outermost(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for inner in ast.iter_child_nodes(node):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
            yield inner
        else:
            yield from _outermost(inner)
