"""Random rule sets: every kind of rule that a grammar can hold, in random combinations."""

import random
from typing import Any

from functions.constraints.model import StatedConstraint
from functions.constraints.reading import read_constraint_set
from functions.constraints.syntax import ALL, WORDS

# Names are those that `random_walks` writes, so that walks meet what is forbidden.
_RULES: list[dict[str, Any]] = [
    {"type": "naming", "functions": "snake_case"},
    {"type": "naming", "classes": "PascalCase"},
    {"type": "naming", "variables": "[a-z]+"},
    {"type": "naming", "parameters": "snake_case"},
    {"type": "naming", "constants": "UPPER_CASE"},
    {"type": "naming", "constants": "UPPER_CASE", "variables": "[a-z_]+"},
    {"type": "forbid_names", "names": ["x", "a", "self"]},
    {"type": "forbid_names", "names": ["y", "C", "match"]},
    {"type": "forbid_calls", "calls": ["f", "a.b"]},
    {"type": "forbid_calls", "calls": ["x.y.z", "c"]},
    {"type": "forbid_calls", "calls": ["eval", "os.system", "y.z"]},
    {"type": "forbid_imports", "modules": ["a", "b.c"]},
    {"type": "allow_imports", "modules": ["re", "a.b", "b"]},
    {"type": "allow_imports", "modules": ["a", ".", "b.c"]},
    {"type": "allow_imports", "modules": []},
    {"type": "require_annotations"},
    {"type": "require_docstring"},
    {"type": "max_nesting", "max": 0},
    {"type": "max_nesting", "max": 1},
    {"type": "max_nesting", "max": 2},
]
_SIGNATURES = [
    "def g(p: int, q: str = 'a') -> int",
    "async def h(v: list[int]) -> None",
    "def k()",
    "def m(*z: int, **kw: str) -> bool",
]
# Without expressions or functions hardly anything can be written.
_SYNTAX = [word for word in ALL if word not in {"Expr", "FunctionDef"}]


def rule_set(seed: int, *, with_signature: bool = True) -> list[StatedConstraint]:
    """The same seed gives the same constraints; some cannot hold together."""
    choice = random.Random(seed)
    rules = choice.sample(_RULES, choice.randint(0, 4))
    if choice.random() < 0.6:
        rules.append({"type": "forbid_syntax", "syntax": choice.sample(_SYNTAX, choice.randint(1, 8))})
    if choice.random() < 0.15:
        rules.append({"type": "allow_syntax", "syntax": choice.sample(list(WORDS), 12)})
    if with_signature and choice.random() < 0.4:
        rules.append({"type": "signature", "signature": choice.choice(_SIGNATURES)})
    stated = [{"name": f"c{number}", "severity": "error", "rule": rule} for number, rule in enumerate(rules)]
    return list(read_constraint_set(stated).constraints)
