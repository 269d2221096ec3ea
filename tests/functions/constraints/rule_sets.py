"""Random rule sets: every kind of rule that a grammar can hold, in random combinations."""

import random
from typing import Any

from functions.constraints.model import Language, StatedConstraint
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


_TYPESCRIPT_SIGNATURES = [
    "function g(p: number, q: string): number",
    "async function h(v: number[]): Promise<void>",
    "function k(): void",
]
_TYPESCRIPT_SYNTAX = [
    *("while", "for", "if", "try", "raise", "return", "assign", "lambda", "star_args", "async", "match", "decorator"),
    *("nested_function", "class", "any", "var", "let", "do", "enum", "comment", "import", "ternary", "regex"),
]


def rule_set(seed: int, *, with_signature: bool = True, language: Language = "python") -> list[StatedConstraint]:
    """The same seed gives the same constraints; some cannot hold together."""
    choice = random.Random(seed)
    is_python = language == "python"
    rules = choice.sample(_RULES, choice.randint(0, 4))
    if not is_python:  # what that grammar does not hold
        rules = [rule for rule in rules if rule["type"] not in {"require_docstring", "max_nesting"}]
    if choice.random() < 0.6:
        words = _SYNTAX if is_python else _TYPESCRIPT_SYNTAX
        rules.append({"type": "forbid_syntax", "syntax": choice.sample(words, choice.randint(1, 8))})
    if is_python and choice.random() < 0.15:
        rules.append({"type": "allow_syntax", "syntax": choice.sample(list(WORDS), 12)})
    if with_signature and choice.random() < 0.4:
        signatures = _SIGNATURES if is_python else _TYPESCRIPT_SIGNATURES
        rules.append({"type": "signature", "signature": choice.choice(signatures)})
    stated = [{"name": f"c{number}", "severity": "error", "rule": rule} for number, rule in enumerate(rules)]
    return list(read_constraint_set(stated, language=language).constraints)
