"""Lark grammars for Python: `grammars/python.lark`, with a start and bounds."""

import json
from functools import lru_cache

from functions.constraints.signature import Signature, read_signature
from functions.constraints.template import Grammar, load
from functions.constraints.unrolling import lark
from functions.generation import Constraint

DEFAULT_DEPTH = 6
"""Compound statements within each other, in a function."""
DEFAULT_STATEMENTS = 30
# A small model that has begun to repeat itself does not stop: generated code is bounded where texts are not.
GENERATED = {
    "MAX_COMMENTS": 3,
    "MAX_ITEMS": 40,
    "MAX_NAME": 40,
    "MAX_STRING": 200,
    "MAX_LONG": 1500,
    "MAX_COMMENT": 100,
}


def function_grammar(signature: str, *, depth: int = DEFAULT_DEPTH, statements: int = DEFAULT_STATEMENTS) -> Constraint:
    """One function with the head `signature` (`def add(a: int) -> int`), nested at most `depth` statements deep.

    `statements` bounds each block. The text ends with the function: after it, the model can only stop. Raises
    `ConstraintRefused` for a head that is no Python.
    """
    read = read_signature(signature)
    body = _body(is_async=read.is_async, depth=depth, statements=statements)
    return Constraint.of("grammar", f"{function_start(read)}\n{body}")


def function_start(signature: Signature) -> str:
    """The rules that `start` a text with this head; what follows them is `forced_function` of the grammar."""
    taken = "|".join(signature.parameters)
    global_name = f"GLOBAL_NAME: IDENTIFIER & ~/{taken}/" if taken else "GLOBAL_NAME: IDENTIFIER"
    return f'start: {json.dumps(signature.head, ensure_ascii=False)} forced_function "\\n"?\n{global_name}'


@lru_cache(maxsize=64)
def _body(*, is_async: bool, depth: int, statements: int) -> str:
    limits = {**GENERATED, "MAX_LINES": statements, "MAX_NESTING": depth, "MAX_INDENT": depth + 1}
    return forced(load("python").specialised(limits=limits), is_async=is_async)


def forced(grammar: Grammar, *, is_async: bool) -> str:
    """The grammar's text for what follows a forced head; `function_start` completes it."""
    suite = "async_suite" if is_async else "function_suite"
    definitions = {"forced_function": f"{suite}::only(OUTSIDE)"}
    text = lark(grammar.specialised(definitions=definitions), "forced_function")
    return "\n".join(line for line in text.split("\n") if not line.startswith("GLOBAL_NAME:"))
