"""A session's own tests: Python source, as for pytest, that says of one function what must hold.

Functions whose names begin with `test`, and plain `assert` statements of the module, are one test each. The function
that they test is there by its name, whatever name the specification gives it: it is the only name that they use and do
not bind.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from functions.unbound_names import unbound_names

LONGEST = 50_000
"""In characters."""
MOST_TESTS = 100
PYTEST_NAMES = frozenset({"raises", "approx", "mark"})
"""What `functions.own_tests_pytest` offers of it."""
HYPOTHESIS = "hypothesis"
_IMPORTABLE = sys.stdlib_module_names | {"pytest", HYPOTHESIS}


@dataclass(frozen=True)
class OwnTests:
    """Tests that were read. `tested` is the function's name in them; `names` are the tests', in their order."""

    source: str
    tested: str
    names: tuple[str, ...]
    uses_hypothesis: bool


def read_own_tests(source: str) -> OwnTests:
    """Raises `ValueError` with the line for what cannot be run, and where there is no test in it."""
    tree = _parsed(source)
    nodes = list(ast.walk(tree))
    modules = {module: line for node in nodes for module, line in _modules(node)}
    for module, line in modules.items():
        if module not in _IMPORTABLE:
            raise ValueError(
                f"line {line}: there is no module {module!r} where tests are run; the function is there by its name"
            )
    for node in nodes:
        _check_pytest(node)
    unbound = unbound_names(tree)
    if not unbound:
        raise ValueError("they test nothing: every name in them is their own or Python's, and none the function's")
    if len(unbound) > 1:
        listed = ", ".join(f"{name} (line {line})" for name, line in unbound.items())
        raise ValueError(f"only the function's name may come from elsewhere, and here these do: {listed}")
    (tested,) = unbound
    names = tuple(name for name, _ in tests_of(tree, tested))
    if not names:
        raise ValueError("there is no test in it: functions whose names begin with test are, and assert statements")
    if len(names) > MOST_TESTS:
        raise ValueError(f"{len(names)} tests; {MOST_TESTS} at most are run")
    return OwnTests(source, tested, names, HYPOTHESIS in modules)


def tests_of(tree: ast.Module, tested: str) -> Iterator[tuple[str, ast.stmt]]:
    """The module's tests: functions, asserts, and calls that have to do with the tested function.

    Raises `ValueError` for a function that nothing can call.
    """
    for node in tree.body:
        match node:
            case ast.AsyncFunctionDef(name=name) if name.startswith("test"):
                raise ValueError(f"line {node.lineno}: {name} is async, and nothing awaits it")
            case ast.FunctionDef(name=name, args=arguments, decorator_list=decorators) if name.startswith("test"):
                taken = [*arguments.posonlyargs, *arguments.args]
                required = taken[: len(taken) - len(arguments.defaults)]
                if required and not decorators:
                    raise ValueError(f"line {node.lineno}: {name} takes {required[0].arg}, and nothing gives it that")
                yield name, node
            case ast.Assert():
                yield f"assert in line {node.lineno}", node
            case ast.Expr(value=ast.Call()) if _mentions(node, tested):
                yield f"call in line {node.lineno}", node


def _parsed(source: str) -> ast.Module:
    if len(source) > LONGEST:
        raise ValueError(f"{len(source)} characters; {LONGEST} at most")
    try:
        tree = ast.parse(source)
        compile(tree, "<tests>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise ValueError(f"line {error.lineno}: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"it cannot be parsed: {error}") from None
    return tree


def _modules(node: ast.AST) -> list[tuple[str, int]]:
    match node:
        case ast.Import(names=aliases):
            return [(alias.name.partition(".")[0], node.lineno) for alias in aliases]
        case ast.ImportFrom(module=module, level=level):
            return [((module or "").partition(".")[0] if level == 0 else ".", node.lineno)]
    return []


def _check_pytest(node: ast.AST) -> None:
    asked: list[str] = []
    match node:
        case ast.Attribute(value=ast.Name(id="pytest"), attr=name):
            asked = [name]
        case ast.ImportFrom(module="pytest", names=aliases):
            asked = [alias.name for alias in aliases]
    for name in asked:
        if name not in PYTEST_NAMES:
            line = getattr(node, "lineno", 0)
            raise ValueError(f"line {line}: of pytest there are {', '.join(sorted(PYTEST_NAMES))}, and not {name}")


def _mentions(node: ast.AST, name: str) -> bool:
    return any(isinstance(each, ast.Name) and each.id == name for each in ast.walk(node))
