"""A Lark grammar that holds exactly one Python function, its head as given.

Indentation is not context-free, but it is once nesting is unrolled: the block at depth 2 is a rule of its own, whose
lines begin with eight spaces, and which may stand in a loop or not (`break`). Blocks are bounded, since a small model
that has begun to repeat a statement does not stop by itself.
"""

import ast
import json
import keyword
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from functions.failures import ConstraintRefused
from functions.generation import Constraint

DEFAULT_DEPTH = 6
DEFAULT_STATEMENTS = 30
_TEMPLATE = Path(__file__).with_name("grammars") / "python.lark"
# `match`, `case`, `type` and `_` may name things; `__debug__` may not be assigned.
_RESERVED = "|".join([*keyword.kwlist, "__debug__"])


def function_grammar(signature: str, *, depth: int = DEFAULT_DEPTH, statements: int = DEFAULT_STATEMENTS) -> Constraint:
    """One function with the head `signature` (`def add(a: int) -> int`), nested at most `depth` blocks deep.

    Raises `ConstraintRefused` for a head that is no Python. `statements` bounds each block.
    """
    head = _canonical_head(signature)
    rules = [
        f"start: {json.dumps(head + ':' + chr(10))} (docstring? block1 | docstring)",
        'docstring: indent1 DOCSTRING "\\n"',
        *_blocks(depth, statements),
    ]
    return Constraint.of("grammar", "\n".join(rules) + "\n\n" + _language())


@cache
def _language() -> str:
    return _TEMPLATE.read_text().replace("@RESERVED@", _RESERVED)


def _canonical_head(signature: str) -> str:
    source = signature.strip().removesuffix(":") + ":\n    pass\n"
    try:
        (function,) = ast.parse(source).body
        compile(source, "<signature>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ConstraintRefused("/signature", f"not the head of a Python function: {error}") from None
    if not isinstance(function, ast.FunctionDef):
        raise ConstraintRefused("/signature", "not the head of a Python function: write `def name(...) -> type`")
    return ast.unparse(function).splitlines()[0].removesuffix(":")


def _blocks(depth: int, statements: int) -> Iterator[str]:
    # An indentation is a terminal of its own: the lexer takes the longest match and never goes back, so that
    # "    else:" as one terminal would swallow the indentation of "    eleven = 11".
    for level in range(1, depth + 1):
        for place in ("", "_loop"):
            line, comment = f"line{level}{place}", f"comment{level}"
            jump = ' | "break" | "continue"' if place else ""
            compound = f" | {_compound(level, place)}" if level < depth else ""
            yield f"block{level}{place}: {comment}{{0,3}} {line} ({line} | {comment}){{0,{statements - 1}}}"
            yield f'{line}: indent{level} ((simple{jump}) "\\n"{compound})'
        yield f'comment{level}: indent{level} COMMENT "\\n"'
        yield f'indent{level}: "{" " * 4 * level}"'


def _compound(level: int, place: str) -> str:
    block, loop, own = f"block{level + 1}{place}", f"block{level + 1}_loop", f"block{level + 1}"
    indent = f"indent{level}"
    otherwise = f'({indent} "else:\\n" {block})?'
    handler = f'{indent} "except " expression (" as " NAME)? ":\\n" {block}'
    bare = f'{indent} "except:\\n" {block}'
    handlers = f"(({handler})+ ({bare})? | {bare})"
    last = f'{indent} "finally:\\n" {block}'
    return " | ".join(
        [
            f'"if " expression ":\\n" {block} ({indent} "elif " expression ":\\n" {block}){{0,8}} {otherwise}',
            f'"for " targets " in " values ":\\n" {loop} {otherwise}',
            f'"while " expression ":\\n" {loop} {otherwise}',
            f'"with " expression (" as " target)? ":\\n" {block}',
            f'"try:\\n" {block} ({handlers} {otherwise} ({last})? | {last})',
            f'"def " NAME "(" (NAME (", " NAME)*)? "):\\n" {own}',
        ]
    )
