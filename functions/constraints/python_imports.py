"""Import statements of a parsed Python text against what may be imported, and what must not be reached by imports."""

import ast
from collections.abc import Iterator

from functions.constraints.dotted import below, covering, parent_and_name
from functions.constraints.requirements import Requirements, guarded_prefixes
from functions.constraints.violations import Violation


def import_violations(tree: ast.Module, requirements: Requirements) -> Iterator[Violation]:
    """Modules that may not be imported, and imports that give a forbidden call, or what is above it, another name."""
    if not (requirements.forbidden_imports or requirements.allowed_imports or requirements.forbidden_calls):
        return
    guarded = guarded_prefixes(requirements.forbidden_calls)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from _module(node, alias.name, requirements)
                if alias.asname and alias.name in guarded:
                    yield _at(node, guarded[alias.name], f"{alias.name} may not be imported under another name")
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield from _from(node, module, alias.name, requirements, guarded)


def _module(node: ast.stmt, module: str, requirements: Requirements) -> Iterator[Violation]:
    if entry := covering(requirements.forbidden_imports, module):
        yield _at(node, requirements.forbidden_imports[entry], f"{module} may not be imported")
    for allowed in requirements.allowed_imports:
        if not covering(allowed.modules, module):
            yield _at(node, allowed.constraint, f"{module} is not among the modules that may be imported")


def _from(
    node: ast.stmt, module: str, name: str, requirements: Requirements, guarded: dict[str, str]
) -> Iterator[Violation]:
    path = below(module, name)
    calls = requirements.forbidden_calls
    if entry := covering(requirements.forbidden_imports, module) or covering(requirements.forbidden_imports, path):
        yield _at(node, requirements.forbidden_imports[entry], f"{path} may not be imported")
    for allowed in requirements.allowed_imports:
        if not covering(allowed.modules, module) and not covering(allowed.modules, path):
            yield _at(node, allowed.constraint, f"{path} is not among the modules that may be imported")
    for call in dict.fromkeys((path, name)):
        if call in calls:
            yield _at(node, calls[call], f"{call} may not be imported, since it may not be called")
    if path in guarded and path not in calls:
        yield _at(node, guarded[path], f"{path} may only be imported as itself, because of what is forbidden below it")
    if name == "*":
        for forbidden, constraint in (*requirements.forbidden_imports.items(), *calls.items()):
            if parent_and_name(forbidden)[0] == module:
                yield _at(node, constraint, f"{path} would import {forbidden}")


def _at(node: ast.stmt, constraint: str, message: str) -> Violation:
    return Violation(constraint, node.lineno, node.col_offset + 1, message)
