"""Lark grammars for TypeScript: `grammars/typescript.lark`, with a start, bounds, and the rules of a constraint set."""

import json
from collections.abc import Mapping
from functools import lru_cache

from functions.constraints.bounds import GENERATED, Bounds
from functions.constraints.requirements import Requirements
from functions.constraints.template import load
from functions.constraints.typescript_names import marks_of_imports, name_definitions
from functions.constraints.unrolling import joined, written
from functions.failures import ConstraintRefused
from functions.generation import Constraint
from functions.validation_trial import NOTHING_SATISFIES

DEEPEST = 15
"""Blocks within each other that the grammar can count. A text that gets there could not go on: `max_nesting` of a set
is checked afterwards, since in TypeScript a block may have begun long before its brace."""


def typescript_grammar(requirements: Requirements, bounds: Bounds | None = None) -> Constraint:
    """All that the grammar can hold of `requirements`: a function, if they have a signature, else a small module.

    Raises `ConstraintRefused` when nothing is left that could be written.
    """
    bounds = bounds or Bounds()
    signature = requirements.signatures[0][0] if requirements.signatures else None
    marks = frozenset(requirements.forbidden_marks) & load("typescript").words
    marks |= {"unannotated"} if requirements.annotations else frozenset()
    marks |= {"dynamic_import"} if requirements.forbidden_imports or requirements.allowed_imports else frozenset()
    marks |= marks_of_imports(requirements)
    is_async = signature.is_async if signature else None
    definitions = _definitions(marks, bounds, is_async)
    if not definitions:
        raise ConstraintRefused("", f"{NOTHING_SATISFIES}: no TypeScript can be written under these rules")
    definitions = {**definitions, **name_definitions(requirements, definitions)}
    if signature is not None:
        head = json.dumps(signature.head, ensure_ascii=False)
        definitions = {"start": f'{head} forced_function "\\n"?', **definitions}
    return Constraint(kind="grammar", source=joined(definitions))


@lru_cache(maxsize=64)
def _definitions(marks: frozenset[str], bounds: Bounds, is_async: bool | None) -> Mapping[str, str]:  # noqa: FBT001 - three states
    """The grammar without these marks, for what follows a forced head (`is_async`), or for a module (None)."""
    limits: dict[str, int | None] = dict(GENERATED) if bounds.sizes else {}
    limits |= {"MAX_LINES": bounds.statements, "MAX_NESTING": DEEPEST}
    grammar = load("typescript").specialised(without=marks, limits=limits)
    if is_async is None:
        return written(grammar, "start") if "start" in grammar.definitions else {}
    body = "async_body" if is_async else "function_body"
    if body not in grammar.definitions:
        return {}
    return written(grammar.specialised(definitions={"forced_function": f"{body}::0"}), "forced_function")
