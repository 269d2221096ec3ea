"""Lark grammars for Python: `grammars/python.lark`, with a start, bounds, and the rules of a constraint set."""

import json
from collections.abc import Mapping
from functools import lru_cache

from functions.constraints.bounds import GENERATED, Bounds
from functions.constraints.python_names import marks_of_imports, marks_of_match, name_definitions
from functions.constraints.requirements import Requirements
from functions.constraints.signature import Signature, read_signature
from functions.constraints.template import load
from functions.constraints.unrolling import joined, written
from functions.failures import ConstraintRefused
from functions.generation import Constraint
from functions.validation_trial import NOTHING_SATISFIES

_FUNCTION = 'FORCED_HEAD forced_function "\\n"?'
_IMPORTS = "import_line{0,MAX_IMPORTS}"

UNBOUNDED_DEPTH = 12
"""Levels of indentation that the grammar knows at all."""


def function_grammar(signature: str) -> Constraint:
    """One function with the head `signature` (`def add(a: int) -> int`).

    The text ends with the function: after it, the model can only stop. Raises `ConstraintRefused` for a head that is
    no Python.
    """
    return python_grammar(Requirements(signatures=[(read_signature(signature), "")]))


def python_grammar(requirements: Requirements, bounds: Bounds | None = None) -> Constraint:
    """All that the grammar can hold of `requirements`: a function, if they have a signature, else a small module.

    Raises `ConstraintRefused` when nothing is left that could be written.
    """
    bounds = bounds or Bounds()
    depth = min(bounds.depth, requirements.max_nesting[0]) if requirements.max_nesting else bounds.depth
    signature = requirements.signatures[0][0] if requirements.signatures else None
    marks = frozenset(requirements.forbidden_marks) & load("python").words
    marks |= {"unannotated"} if requirements.annotations else frozenset()
    marks |= {"undocumented" if requirements.docstrings else "documented"}
    marks |= marks_of_match(requirements) | marks_of_imports(requirements)
    is_async = signature.is_async if signature else None
    definitions = _definitions(marks, Bounds(depth, bounds.statements, bounds.sizes), is_async)
    if "start" not in definitions:
        raise ConstraintRefused("", f"{NOTHING_SATISFIES}: no Python can be written under these rules")
    definitions = {**definitions, **name_definitions(requirements, definitions)}
    if signature is not None:
        head = json.dumps(signature.head, ensure_ascii=False)
        definitions = {**definitions, "FORCED_HEAD": head, "GLOBAL_NAME": _global_name(signature)}
    return Constraint(kind="grammar", source=joined(definitions))


def _global_name(signature: Signature) -> str:
    """A parameter cannot be made global."""
    taken = "|".join(signature.parameters)
    return f"IDENTIFIER & ~/{taken}/" if taken else "IDENTIFIER"


@lru_cache(maxsize=64)
def _definitions(marks: frozenset[str], bounds: Bounds, is_async: bool | None) -> Mapping[str, str]:  # noqa: FBT001 - three states
    """The grammar without these marks, for what follows a forced head (`is_async`), or for a module (None)."""
    limits: dict[str, int | None] = dict(GENERATED) if bounds.sizes else {}
    indent = min(bounds.depth + 1 if is_async is not None else bounds.depth + 2, UNBOUNDED_DEPTH)
    limits |= {"MAX_LINES": bounds.statements, "MAX_NESTING": bounds.depth, "MAX_INDENT": indent}
    grammar = load("python").specialised(without=marks, limits=limits)
    if is_async is None:
        return written(grammar, "start") if "start" in grammar.definitions else {}
    suite = "async_suite" if is_async else "function_suite"
    if suite not in grammar.definitions:
        return {}
    start = f"{_IMPORTS} {_FUNCTION}" if "import_line" in grammar.definitions else _FUNCTION
    text = {"start": start, "FORCED_HEAD": '"def "', "forced_function": f"{suite}::only(OUTSIDE)"}
    return written(grammar.specialised(definitions=text), "start")
