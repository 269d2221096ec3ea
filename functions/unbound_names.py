"""Names that nothing in a module binds, whatever path is taken: found without running it (pyflakes' F821, unscoped)."""

import ast
import builtins

_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__"}


def unbound_names(tree: ast.Module) -> dict[str, int]:
    """Each with a line in which it is used, in alphabetical order."""
    nodes = list(ast.walk(tree))
    used = {node.id: node.lineno for node in reversed(nodes) if isinstance(node, ast.Name)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {alias.asname or alias.name.split(".")[0] for node in nodes for alias in _imported(node)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    bound |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    bound |= {node.name or "" for node in nodes if isinstance(node, ast.MatchAs | ast.MatchStar)}
    bound |= {node.rest or "" for node in nodes if isinstance(node, ast.MatchMapping)}
    return {name: used[name] for name in sorted(used.keys() - bound - _BUILTINS)}


def _imported(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
