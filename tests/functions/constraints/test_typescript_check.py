"""What TypeScript breaks, with its place and in words, as who wrote it is told."""

from typing import Any

import pytest

from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.constraints.typescript_check import typescript_violations
from functions.constraints.violations import LANGUAGE

DOCUMENTED = """\
/** Doc. */
export function f(): void {}
// no
function g(): void {}
class A {
  /** x */
  m(): void {}
}
"""


def told(text: str, *rules: dict[str, Any]) -> list[tuple[int, int, str]]:
    entries = [{"name": rule["type"], "severity": "error", "rule": rule} for rule in rules]
    stated = read_constraint_set(entries, language="typescript").constraints
    found = typescript_violations(text, composed(stated, "typescript"))
    assert {violation.constraint for violation in found} <= {rule["type"] for rule in rules}
    return [(violation.line, violation.column, violation.message) for violation in found]


def places(text: str, rule: dict[str, Any]) -> list[tuple[int, int]]:
    return [(line, column) for line, column, _ in told(text, rule)]


@pytest.mark.parametrize(
    ("text", "is_there"),
    [
        ("export function f(a: number): number {\n  return a;\n}", True),
        ("const x = 1;\nfunction f( a:number )\n : number {\n  return a;\n}", False),
        ("function f(a:  number): number {}", True),
        ("function f(a: string): number {}", False),
        ("const f = function f(a: number): number {};", False),
    ],
)
def test_the_head_that_is_asked_for(text: str, is_there: bool):  # noqa: FBT001
    found = told(text, {"type": "signature", "signature": "f(a: number): number"})
    assert found == ([] if is_there else [(1, 1, "there is no function `function f(a: number): number`")])


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x;\nfoo;", [(2, 1)]),
        ("x.foo();", [(1, 3)]),
        ("class A {\n  #foo = 1;\n}", [(2, 3)]),
        ("let x: foo;", [(1, 8)]),
        ("f({ foo });", [(1, 5)]),
        ("const { foo } = x;", [(1, 9)]),
        ('const x = "foo"; // foo', []),
        ("food;", []),
    ],
)
def test_a_forbidden_name_wherever_it_stands(text: str, found: list[Any]):
    assert places(text, {"type": "forbid_names", "names": ["foo"]}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("eval(x);", [(1, 1, "eval may not be called")]),
        ("f({ eval });", [(1, 5, "eval may not be called")]),
        ("a.eval(1); x.b.c();", []),
        ("x = a.b.c;", [(1, 5, "a.b.c may not be called")]),
        ("a.b.d(); a.d.c();", []),
        ("x = a.b;", [(1, 5, "a.b may only be used with a name below it")]),
        ("a?.b.c();", [(1, 1, "a may only be used with a name below it")]),
        ("a.b?.c();", [(1, 1, "a.b may only be used with a name below it")]),
        ('a["b"].c();', [(1, 1, "a may only be used with a name below it")]),
        ("f(a);", [(1, 3, "a may only be used with a name below it")]),
        ("let x: a.b.T;", []),
        ("const eval = 1;", []),
        ("function f(eval: number): void {}", []),
        ("function f(x = eval): void {}", [(1, 16, "eval may not be called")]),
        ("const [eval] = x;", []),
        ("const { y: eval } = x;", []),
        ("const { y = eval } = x;", [(1, 13, "eval may not be called")]),
        ("const x = { y: eval };", [(1, 16, "eval may not be called")]),
        ("for (const eval of x) {\n}", []),
        ("for (eval of x) {\n}", [(1, 6, "eval may not be called")]),
        ("try {\n} catch (eval) {\n}", []),
        ('import * as eval from "x";', []),
        ('import eval from "x";', []),
        ('import { y as eval } from "x";', []),
        ('import { eval as y } from "x";', [(1, 10, "eval may not be called")]),
        ('import { a } from "x";', []),
        ("class A {\n  eval(): void {}\n}", []),
        ("function eval(): void {}", []),
        ("enum eval { A }", []),
        ("const x = eval;", [(1, 11, "eval may not be called")]),
    ],
)
def test_every_way_to_a_forbidden_call(text: str, found: list[Any]):
    assert told(text, {"type": "forbid_calls", "calls": ["eval", "a.b.c"]}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('import x from "lib/y";', []),
        ('import x from "lib/bad/y";', [(1, 1, "lib/bad/y may not be imported")]),
        ('import "zod";', [(1, 1, "zod is not among the modules that may be imported")]),
        ('export * from "zod";', [(1, 1, "zod is not among the modules that may be imported")]),
        ("export const x = 1;", []),
        ('x = import("lib");', [(1, 5, "a module may not be imported by an expression")]),
        ('x = require("lib");', [(1, 5, "require may not be called")]),
    ],
)
def test_imports_that_are_forbidden_or_not_allowed(text: str, found: list[Any]):
    rules = [{"type": "allow_imports", "modules": ["lib"]}, {"type": "forbid_imports", "modules": ["lib/bad"]}]
    assert told(text, *rules) == found


@pytest.mark.parametrize(
    ("fields", "text", "names"),
    [
        ({"functions": "[a-z]+"}, "function aB(): void {}\nasync function cD(): Promise<void> {}", ["aB", "cD"]),
        ({"functions": "[a-z]+"}, "class A {\n  eF(): void {}\n  constructor() {}\n  #gH(): void {}\n}", ["eF"]),
        ({"functions": "[a-z]+"}, "const iJ = () => 1, kL = function () {}, M = 1;\nf({ nO() {} });", ["iJ", "kL"]),
        ({"classes": "[A-Z]+"}, "class a {}\ninterface b {}\ntype c = string;\nenum d { X }", ["a", "b", "c", "d"]),
        ({"parameters": "[a-z]+"}, "function f(A: string, B?: string, ...C: string[]): void {}", ["A", "B", "C"]),
        ({"parameters": "[a-z]+"}, "const f = ({ A }) => 1;", []),
        ({"constants": "[A-Z]+"}, "const a = 1;\nfunction f(): void {\n  const b = 1;\n}", ["a"]),
        ({"constants": "[A-Z]+"}, "const [a] = x;\nclass A {\n  static {\n    const b = 1;\n  }\n}", []),
        ({"variables": "[a-z]+"}, "const A_1 = 1;\nconst aB = 1;", ["aB"]),
        ({"variables": "[a-z]+"}, "for (let A = 1; ; ) {\n}\nfor (const B of x) {\n}\nfor (C of x) {\n}", ["A", "B"]),
        ({"variables": "[a-z]+"}, "try {\n} catch (A) {\n}\nfunction f(): void {\n  let B;\n}", ["A", "B"]),
        ({"variables": "[a-z]+", "constants": "[A-Z]+"}, "const a = 1, A = 1, aB = 1;", ["aB"]),
    ],
)
def test_names_by_what_they_name(fields: dict[str, Any], text: str, names: list[str]):
    found = told(text, {"type": "naming", **fields})
    assert [message.partition(",")[0] for _, _, message in found] == names


def test_of_a_name_it_is_said_what_it_does_not_match():
    rule = {"type": "naming", "variables": "[a-z]+", "constants": "[A-Z]+"}
    assert told("const aB = 1;", rule) == [(1, 7, "aB, one of the constants, does not match [A-Z]+")]
    assert told("let aB = 1;", {"type": "naming", "variables": "[a-z]+"}) == [
        (1, 5, "aB, one of the variables, does not match [a-z]+")
    ]


@pytest.mark.parametrize(
    ("syntax", "text", "found"),
    [
        ("nested_function", "function f(): void {\n  function g(): void {}\n}", [(2, 3)]),
        ("let", "let x = 1;\nconst y = 1;", [(1, 1)]),
        ("const", "let x = 1;\nconst y = 1;", [(2, 1)]),
        ("any", "let x: any;\nlet y: string;", [(1, 8)]),
        ("star_args", "function f(...a: string[]): void {}\nf(...x);", [(1, 12), (2, 3)]),
        ("async", "async function f(): Promise<void> {\n  await g();\n}", [(1, 1), (1, 1), (2, 3)]),
        ("do", "do {\n} while (x);\nwhile (x) {\n}", [(1, 1)]),
    ],
)
def test_forbidden_syntax(syntax: str, text: str, found: list[Any]):
    assert sorted(set(places(text, {"type": "forbid_syntax", "syntax": [syntax]}))) == sorted(set(found))


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        (
            {"type": "require_docstring"},
            DOCUMENTED,
            [(4, 1, "it has no documentation comment"), (5, 1, "it has no documentation comment")],
        ),
        (
            {"type": "require_annotations"},
            "class A {\n  constructor(a) {}\n  set x(v: string) {}\n}\nconst f = (x) => x;",
            [(2, 15, "a has no type")],
        ),
        (
            {"type": "require_annotations"},
            "function f(a: string, b) {}",
            [(1, 1, "function has no type for its result"), (1, 23, "b has no type")],
        ),
        ({"type": "max_nesting", "max": 1}, "function f(): void {\n  if (x) {\n    y;\n  }\n}", []),
        (
            {"type": "max_nesting", "max": 1},
            "function f(): void {\n  switch (x) {\n    case 1: {\n    }\n  }\n}",
            [(3, 13, "blocks are nested 2 deep; 1 are allowed")],
        ),
        (
            {"type": "max_nesting", "max": 0},
            "function f(): void {\n  g(() => {\n    y;\n  });\n}\nif (x) {\n}",
            [(2, 11, "blocks are nested 1 deep; 0 are allowed"), (6, 8, "blocks are nested 1 deep; 0 are allowed")],
        ),
        (
            {"type": "max_lines", "max": 2},
            "x;\ny;\nz;\nfunction f(): void {\n  y;\n}\n",
            [(4, 1, "it has 3 lines; 2 are allowed")],
        ),
        ({"type": "max_lines", "max": 3}, "x;\ny;\nz;\nfunction f(): void {\n  y;\n}\n", []),
        ({"type": "max_lines", "max": 2}, "x;\ny;\nz;\n", [(3, 1, "the text has 3 lines; 2 are allowed")]),
        ({"type": "must_call", "calls": ["a.b", "c"]}, "a.b();\nc;", [(1, 1, "c is never called")]),
    ],
)
def test_habits_and_sizes(rule: dict[str, Any], text: str, found: list[Any]):
    assert told(text, rule) == found


def test_what_does_not_parse_breaks_the_language_at_its_place():
    (violation,) = typescript_violations("'é'; x = );", Requirements())
    assert (violation.constraint, violation.line, violation.message) == (LANGUAGE, 1, "not TypeScript")
    assert violation.column > 5


def test_columns_are_counted_in_characters():
    assert places("'é🙂'; foo;", {"type": "forbid_names", "names": ["foo"]}) == [(1, 7)]
