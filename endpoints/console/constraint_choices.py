"""Constraints that people choose by a click, in plain words: each is a rule as the API takes it."""

from collections.abc import Sequence
from typing import Any

from endpoints.console.json_text import NotJson, read_json
from functions.constraints.reading import read_constraint_set
from functions.failures import Refused

PURE_MODULES = ("collections", "datetime", "functools", "itertools", "math", "re", "statistics", "string")

CHOICES: dict[str, tuple[str, dict[str, Any]]] = {
    "no-eval": (
        "Never runs text as code: no eval, exec or compile",
        {"type": "forbid_calls", "calls": ["eval", "exec", "compile", "__import__"]},
    ),
    "pure-imports": (
        f"Imports nothing but {', '.join(PURE_MODULES)}",
        {"type": "allow_imports", "modules": list(PURE_MODULES)},
    ),
    "no-global-state": (
        "Changes no variable outside itself: no global, no nonlocal",
        {"type": "forbid_syntax", "syntax": ["global", "nonlocal"]},
    ),
    "no-while": ("Has no while loop, which may never end", {"type": "forbid_syntax", "syntax": ["while"]}),
    "no-bare-except": (
        "Hides no error: every except names what it catches",
        {"type": "forbid_syntax", "syntax": ["bare_except"]},
    ),
    "docstring": ("Has a docstring", {"type": "require_docstring"}),
    "nesting": ("Is nested at most 3 deep", {"type": "max_nesting", "max": 3}),
    "length": ("Is at most 40 lines long", {"type": "max_lines", "max": 40}),
}
"""By id: the words, and the rule."""


def constraint_set(chosen: Sequence[str], mined: Sequence[str], own: str) -> dict[str, Any] | None:
    """The set of what was chosen, of what was found in code, and of a person's own constraints; None without any.

    `mined` are constraints as JSON, `own` is a JSON set or list. Raises `Refused` with what is not understood.
    """
    constraints: list[Any] = [
        {"name": name, "severity": "error", "description": CHOICES[name][0], "rule": CHOICES[name][1]}
        for name in chosen
        if name in CHOICES
    ]
    constraints += [_parsed(text) for text in mined]
    constraints += _own(own)
    if not constraints:
        return None
    together = {"constraints": constraints}
    read_constraint_set(together, pointer="/constraints")
    return together


def _own(text: str) -> list[Any]:
    if not text.strip():
        return []
    given = _parsed(text)
    listed = given.get("constraints") if isinstance(given, dict) else given
    if not isinstance(listed, list):
        raise Refused("/constraints", 'your own constraints are a list, or an object with a list "constraints"')
    return listed


def _parsed(text: str) -> Any:
    try:
        return read_json(text)
    except NotJson as error:
        raise Refused(
            "/constraints", f"a constraint, line {error.line}, column {error.column}: {error.reason}"
        ) from None
