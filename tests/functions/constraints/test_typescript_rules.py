"""Each rule on TypeScript that it allows (`good`) and forbids (`bad`), by the grammar and by the check without it."""

from pathlib import Path
from typing import Any

import pytest
from llguidance import LLTokenizer

from functions.constraints.bounds import Bounds
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import composed
from functions.constraints.typescript_check import typescript_violations
from functions.constraints.typescript_grammar import typescript_grammar
from functions.constraints.typescript_signature import read_typescript_signature
from functions.failures import ConstraintRefused
from tests.functions.constraints.soundness import walk_under_rules
from tests.functions.constraints.test_python_grammar import accepts, matcher_of

NAMING = {
    "type": "naming",
    "functions": "camelCase",
    "classes": "PascalCase",
    "variables": "[a-z]+",
    "constants": "UPPER_CASE",
    "parameters": "[a-z]+",
}
CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    (
        {"type": "forbid_calls", "calls": ["eval", "console.log", "fs.promises.rm"]},
        ["const x = evaluate(1);", "console.error(1);", "fs.readFile(x);", "fs.promises.stat(x);", "a.eval(1);"],
        [
            *("const x = eval(1);", "console.log(1);", "const c = console;", "fs.promises.rm(x);", "f(console);"),
            *("const p = fs.promises;", 'import { eval as e } from "x";', "console?.log(1);", 'console["log"](1);'),
        ],
    ),
    (
        {"type": "forbid_names", "names": ["foo"]},
        ["const food = 1;", 'const x = "foo";'],
        [
            *("const foo = 1;", "a.foo();", "function foo() {}", "f({ foo: 1 });", 'import { foo } from "x";'),
            "type foo = string;",
        ],
    ),
    (
        {"type": "allow_imports", "modules": ["zod", "./lib", "@a/b"]},
        ['import { z } from "zod";', 'import x from "./lib/y";', 'import * as b from "@a/b";'],
        [
            *('import fs from "fs";', 'import x from "@a/c";', 'const x = require("fs");', 'export * from "fs";'),
            'import("fs");',
        ],
    ),
    (
        {"type": "forbid_imports", "modules": ["fs"]},
        ['import { z } from "zod";', 'import x from "fsx";'],
        ['import fs from "fs";', 'import x from "fs/promises";'],
    ),
    (
        NAMING,
        [
            "function addTwo(a: number): number {\n  return a;\n}",
            "const X_Y = 1;",
            "class A {\n  doIt(): void {\n    return;\n  }\n}",
            "const addOne = (x: number) => x;",
            "interface Foo {\n  a: string;\n}",
            "for (const x of y) {\n  f(x);\n}",
        ],
        [
            *("function Add(): void {}", "const xY = 1;", "class a {}", "function f(aB: number): void {}"),
            *("function f(): void {\n  const aB = 1;\n}", "type foo = string;"),
        ],
    ),
    (
        {"type": "require_annotations"},
        ["function f(a: number): number {\n  return a;\n}", "const g = (x) => x;"],
        ["function f(a): number {\n  return a;\n}", "function f(a: number) {\n  return a;\n}"],
    ),
    (
        {"type": "forbid_syntax", "syntax": ["while", "var", "any", "lambda", "class", "async", "raise"]},
        ["for (const x of y) {\n  f(x);\n}", "let x = 1;", "let x: unknown = 1;"],
        [
            *("while (x) {\n  f();\n}", "var x = 1;", "let x: any = 1;", "const f = () => 1;", "class A {}"),
            *("async function f() {}", "throw x;"),
        ],
    ),
    (
        {"type": "signature", "signature": "add(a: number, b: number): number"},
        ["function add(a: number, b: number): number {\n  return a + b;\n}"],
        ["function sub(): void {}", "const x = 1;"],
    ),
]


@pytest.fixture(scope="module")
def tokenizer(model_path: Path) -> LLTokenizer:
    return LLTokenizer((model_path / "tokenizer.json").read_text())


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[case[0]["type"] for case in CASES])
def test_a_rule_means_the_same_to_the_grammar_and_to_the_check(
    tokenizer: LLTokenizer, rule: dict[str, Any], good: list[str], bad: list[str]
):
    stated = read_constraint_set([{"name": "it", "rule": rule}], language="typescript")
    requirements = composed(stated.constraints, "typescript")
    grammar = matcher_of(tokenizer, typescript_grammar(requirements, Bounds(statements=None, sizes=False)).source)
    assert [text for text in good if not accepts(grammar, tokenizer.tokenize_str(text))] == []
    assert [text for text in good if typescript_violations(text, requirements)] == []
    assert [text for text in bad if accepts(grammar, tokenizer.tokenize_str(text))] == []
    assert [text for text in bad if {v.constraint for v in typescript_violations(text, requirements)} != {"it"}] == []


@pytest.mark.parametrize(
    "head", ["", "function", "const x = 1", "function f(", "class A {}", "f(): void {} function g()"]
)
def test_what_is_no_head_is_refused(head: str):
    with pytest.raises(ConstraintRefused):
        read_typescript_signature(head)


@pytest.mark.parametrize(("lists", "is_left"), [([[]], False), ([["a"], ["b"]], False), ([["a"], ["a/b"]], True)])
def test_nothing_that_names_a_module_is_begun_where_none_is_left(
    tokenizer: LLTokenizer,
    lists: list[list[str]],
    is_left: bool,  # noqa: FBT001 - of the cases
):
    rules = [{"name": f"{n}", "rule": {"type": "allow_imports", "modules": one}} for n, one in enumerate(lists)]
    requirements = composed(read_constraint_set(rules, language="typescript").constraints, "typescript")
    grammar = matcher_of(tokenizer, typescript_grammar(requirements).source)
    for begun in ('import "', 'import { a } from "', 'export * from "', 'export { a } from "'):
        tokens = tokenizer.tokenize_str(begun)
        assert (grammar.validate_tokens(tokens) == len(tokens)) == is_left, begun
    assert accepts(grammar, tokenizer.tokenize_str("export { a };"))


def test_nesting_and_documentation_are_checked_on_the_finished_text():
    rules = [
        {"name": "deep", "rule": {"type": "max_nesting", "max": 1}},
        {"name": "doc", "rule": {"type": "require_docstring"}},
    ]
    requirements = composed(read_constraint_set(rules, language="typescript").constraints, "typescript")
    flat = "/** Doc. */\nfunction f(): void {\n  if (x) {\n    g();\n  }\n}\n"
    assert typescript_violations(flat, requirements) == []
    nested = "function f(): void {\n  if (x) {\n    if (y) {\n      g();\n    }\n  }\n}\n"
    assert {violation.constraint for violation in typescript_violations(nested, requirements)} == {"deep", "doc"}


def test_whatever_the_mask_allows_parses_and_obeys_every_rule(tokenizer: LLTokenizer):
    found = walk_under_rules(tokenizer, walks=300, language="typescript")
    assert found.faults == []
    assert found.finished > found.walks / 2
