"""Requirements checked on Python code without the grammar, by `ast`: for code that no model wrote, and as its judge.

Each rule means here what it means to `python_grammar`: a text in the grammar's style on which the two disagree is a bug
in one of them.
"""

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator, Mapping

from functions.constraints.python_imports import import_violations
from functions.constraints.python_naming_check import naming_violations
from functions.constraints.requirements import Requirements, guarded_prefixes
from functions.constraints.signature import signature_of
from functions.constraints.syntax import marks_of
from functions.constraints.violations import LANGUAGE, Violation, in_characters

Function = ast.FunctionDef | ast.AsyncFunctionDef
_COMPOUND = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.Match)


def python_violations(source: str, requirements: Requirements) -> list[Violation]:
    """All that the text breaks of what concerns code, in the order of the text."""
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line, column = getattr(error, "lineno", None) or 1, getattr(error, "offset", None) or 1
        return [Violation(LANGUAGE, line, column, f"not Python: {getattr(error, 'msg', error)}")]
    found = [
        *_signatures(tree, requirements),
        *_names(tree, requirements.forbidden_names),
        *_calls(tree, requirements.forbidden_calls),
        *import_violations(tree, requirements),
        *naming_violations(tree, requirements.naming),
        *_marks(tree, requirements.forbidden_marks),
        *_habits(tree, requirements),
        *_nesting(tree, requirements),
        *_lengths(tree, source, requirements),
        *_must_call(tree, requirements.must_call),
    ]
    found = [*in_characters(found, source.encode().splitlines()), *_comments(source, requirements.forbidden_marks)]
    return sorted(found, key=lambda v: (v.line, v.column))


def at(node: ast.AST, constraint: str, message: str) -> Violation:
    """A violation at the beginning of a node, whose column `ast` counts in bytes."""
    return Violation(constraint, getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1, message)


def _signatures(tree: ast.Module, requirements: Requirements) -> Iterator[Violation]:
    for wanted, constraint in requirements.signatures:
        functions = [node for node in tree.body if isinstance(node, Function)]
        if any(signature_of(function).head == wanted.head for function in functions):
            continue
        same_name = next((function for function in functions if function.name == wanted.name), None)
        if same_name is None:
            yield Violation(constraint, 1, 1, f"there is no function `{wanted.head}`")
        else:
            yield at(same_name, constraint, f"its head is not `{wanted.head}`")


def identifiers(node: ast.AST) -> Iterator[str]:
    """The identifiers that this node itself holds, not those of the nodes in it."""
    match node:
        case ast.Name(id=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Attribute(attr=name) | ast.arg(arg=name) | ast.MatchStar(name=str(name)) | ast.MatchAs(name=str(name)):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.keyword(arg=str(name)) | ast.MatchMapping(rest=str(name)):
            yield name
        case ast.Global(names=names) | ast.Nonlocal(names=names) | ast.MatchClass(kwd_attrs=names):
            yield from names
        case ast.alias(name=name, asname=alias):
            yield from name.split(".")
            yield from [alias] if alias else []
        case ast.ImportFrom(module=str(module)):
            yield from module.split(".")


def _names(tree: ast.Module, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    if forbidden:
        for node in ast.walk(tree):
            for name in identifiers(node):
                if name in forbidden:
                    yield at(node, forbidden[name], f"the name {name} is forbidden")


def _calls(tree: ast.Module, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    """Every way to get at a forbidden function by its name; imports are in `python_imports`."""
    if not forbidden:
        return
    guarded = guarded_prefixes(forbidden)
    inner = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute) and _is_loaded(node)}
    for node in ast.walk(tree):
        if id(node) in inner or not isinstance(node, ast.Name | ast.Attribute) or not _is_loaded(node):
            continue
        chain = dotted_name(node)
        if chain is None:
            continue
        called = next((call for call in _beginnings(chain) if call in forbidden), None)
        if called is not None:
            yield at(node, forbidden[called], f"{called} may not be called")
        elif chain in guarded:
            yield at(node, guarded[chain], f"{chain} may only be used with a name below it")


def _is_loaded(node: ast.Name | ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def dotted_name(node: ast.expr) -> str | None:
    """`a.b.c` for such an expression, None for any other."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def _beginnings(chain: str) -> Iterator[str]:
    parts = chain.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _marks(tree: ast.Module, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    if not forbidden:
        return
    found = (
        at(place, forbidden[mark], f"{mark.replace('_', ' ')} is forbidden")
        for node, place, in_function in _with_scope(tree)
        for mark in sorted(marks_of(node, in_function=in_function) & forbidden.keys())
    )
    yield from dict.fromkeys(found)  # `not` is two nodes at one place


def _comments(source: str, forbidden: Mapping[str, str]) -> Iterator[Violation]:
    if "comment" in forbidden:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                line, column = token.start
                yield Violation(forbidden["comment"], line, column + 1, "comments are forbidden")


def _with_scope(tree: ast.Module) -> Iterator[tuple[ast.AST, ast.AST, bool]]:
    """Every node, what it is part of where it has no place of its own, and whether it is in a function's body."""
    waiting: list[tuple[ast.AST, ast.AST, bool]] = [(tree, tree, False)]
    while waiting:
        node, around, in_function = waiting.pop()
        place = node if hasattr(node, "lineno") else around
        yield node, place, in_function
        body = {id(inner) for inner in node.body} if isinstance(node, Function) else set()
        waiting += [(inner, place, in_function or id(inner) in body) for inner in ast.iter_child_nodes(node)]


def _habits(tree: ast.Module, requirements: Requirements) -> Iterator[Violation]:
    methods = {id(f) for c in ast.walk(tree) if isinstance(c, ast.ClassDef) for f in _direct_functions(c.body)}
    for node in ast.walk(tree):
        if not isinstance(node, Function | ast.ClassDef):
            continue
        if requirements.docstrings and not (ast.get_docstring(node) or "").strip():
            yield at(node, requirements.docstrings, f"{node.name} has no docstring")
        if requirements.annotations and isinstance(node, Function):
            missing = _unannotated(node, is_method=id(node) in methods)
            if missing:
                yield at(node, requirements.annotations, f"{node.name}: {', '.join(missing)} without annotation")


def _direct_functions(body: list[ast.stmt]) -> Iterator[Function]:
    """Functions that stand in a body, also under `if` and the like, but not in classes or functions there."""
    for node in body:
        if isinstance(node, Function):
            yield node
        elif not isinstance(node, ast.ClassDef):
            yield from _direct_functions([inner for inner in ast.iter_child_nodes(node) if isinstance(inner, ast.stmt)])
            for part in ast.iter_child_nodes(node):
                if isinstance(part, ast.ExceptHandler | ast.match_case):
                    yield from _direct_functions(part.body)


def _unannotated(function: Function, *, is_method: bool) -> list[str]:
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if is_method and positional and positional[0].arg in {"self", "cls"}:
        positional = positional[1:]
    others = [arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    missing = [a.arg for a in [*positional, *others] if a is not None and a.annotation is None]
    return missing + ([] if function.returns else ["the result"])


def _nesting(tree: ast.Module, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_nesting is None:
        return
    most, constraint = requirements.max_nesting
    waiting: list[tuple[ast.AST, int, bool]] = [(tree, 0, False)]
    while waiting:
        node, depth, in_function = waiting.pop()
        is_inner = isinstance(node, Function | ast.ClassDef) and in_function
        if isinstance(node, _COMPOUND) or is_inner:
            depth += 1
            if depth > most:
                yield at(node, constraint, f"statements are nested {depth} deep; {most} are allowed")
                continue
        in_function = in_function or isinstance(node, Function)
        for inner in ast.iter_child_nodes(node):
            same_level = isinstance(node, ast.If) and is_elif(node, inner)
            waiting.append((inner, depth - same_level, in_function))


def is_elif(node: ast.If, inner: ast.AST) -> bool:
    """Whether `inner` is written as `elif` of `node`."""
    return node.orelse == [inner] and isinstance(inner, ast.If) and inner.col_offset == node.col_offset


def _lengths(tree: ast.Module, source: str, requirements: Requirements) -> Iterator[Violation]:
    if requirements.max_lines is not None:
        most, constraint = requirements.max_lines
        functions = [node for node in ast.walk(tree) if isinstance(node, Function)]
        for node in functions:
            if (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > most:
                yield at(node, constraint, f"{node.name} has {lines} lines; {most} are allowed")
        if not functions and (lines := len(source.splitlines())) > most:
            yield Violation(constraint, most + 1, 1, f"the text has {lines} lines; {most} are allowed")


def _must_call(tree: ast.Module, wanted: Mapping[str, str]) -> Iterator[Violation]:
    if not wanted:
        return
    imported = _imported_names(tree)
    called = {name for node in ast.walk(tree) if isinstance(node, ast.Call) and (name := dotted_name(node.func))}
    resolved = {f"{imported[root]}{rest}" for name in called for root, rest in [_root(name)] if root in imported}
    for call, constraint in wanted.items():
        if call not in called | resolved:
            yield Violation(constraint, 1, 1, f"{call} is never called")


def _root(name: str) -> tuple[str, str]:
    root, dot, rest = name.partition(".")
    return root, dot + rest


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What names that an import gives stand for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names
