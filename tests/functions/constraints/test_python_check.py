"""What Python code breaks, with its place and in words, as who wrote it is told."""

from typing import Any

import pytest

from functions.constraints.python_check import python_violations
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.constraints.violations import LANGUAGE, Violation, in_characters

DEEP = (
    "def f():\n    if x:\n        y\n    elif z:\n        while z:\n            y\n    else:\n        if x:\n"
    "            y\n"
)
LOCAL = "def f():\n    class A:\n        def g(self):\n            pass\n"
METHODS = (
    "class A:\n    if x:\n        def f(self, a): ...\n    def g(a, self: B) -> C: ...\n    try:\n        pass\n"
    "    except E:\n        def h(cls) -> C: ...\n    match x:\n        case 1:\n            def i(self) -> C: ...\n"
    "def g(self, /, b: B, *c, d: D, **e) -> C: ...\n"
)


def told(text: str, *rules: dict[str, Any]) -> list[tuple[int, int, str]]:
    entries = [{"name": rule["type"], "severity": "error", "rule": rule} for rule in rules]
    found = python_violations(text, composed(read_constraint_set(entries).constraints))
    assert {violation.constraint for violation in found} <= {rule["type"] for rule in rules}
    return [(violation.line, violation.column, violation.message) for violation in found]


@pytest.mark.parametrize(
    ("fields", "text", "found"),
    [
        ({"signature": "f(a, b=1)"}, "def f(a, b = 1):\n    pass", []),
        ({"signature": "f(a)"}, "x = 1\ndef f(b):\n    pass", [(2, 1, "its head is not `def f(a)`")]),
        ({"signature": "f(a)"}, "def g(a):\n    pass", [(1, 1, "there is no function `def f(a)`")]),
        ({"signature": "f(a)"}, "async def f(a):\n    pass", [(1, 1, "its head is not `def f(a)`")]),
        ({"signature": "f(a)"}, "def f(b):\n    pass\ndef f(a):\n    pass", []),
    ],
)
def test_the_head_that_is_asked_for(fields: dict[str, Any], text: str, found: list[Any]):
    assert told(text, {"type": "signature", **fields}) == found


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("x = 1\ny = foo", [(2, 5)]),
        ("x.foo", [(1, 1)]),
        ("nonlocal_ = 1\ndef f():\n    global foo", [(3, 5)]),
        ("import a.foo.b", [(1, 8)]),
        ("import a as foo", [(1, 8)]),
        ("from a.foo import b", [(1, 1)]),
        ("from . import b", []),
        ("def f(a, *foo): pass", [(1, 11)]),
        ("f(foo=1)", [(1, 3)]),
        ("class foo: pass", [(1, 1)]),
        ("async def foo(): pass", [(1, 1)]),
        ("try:\n    x\nexcept E as foo:\n    y", [(3, 1)]),
        ("try:\n    x\nexcept E:\n    y", []),
        ("match x:\n    case foo:\n        y", [(2, 10)]),
        ("match x:\n    case [*foo]:\n        y", [(2, 11)]),
        ("match x:\n    case {**foo}:\n        y", [(2, 10)]),
        ("match x:\n    case A(foo=1):\n        y", [(2, 10)]),
        ("match x:\n    case [*_] | {1: _} | _:\n        y", []),
        ("def f():\n    foo_ = 1\n    def g():\n        nonlocal foo_", []),
        ("x = 'foo'  # foo", []),
    ],
)
def test_a_forbidden_name_wherever_it_stands(text: str, places: list[tuple[int, int]]):
    found = told(text, {"type": "forbid_names", "names": ["foo", "bar"]})
    assert found == [(*place, "the name foo is forbidden") for place in places]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = eval", [(1, 5, "eval may not be called")]),
        ("x = eval.y", [(1, 5, "eval may not be called")]),
        ("x = y.eval", []),
        ("eval = 1", []),
        ("a.b.c.d()", [(1, 1, "a.b.c may not be called")]),
        ("x = a.b", [(1, 5, "a.b may only be used with a name below it")]),
        ("x = a", [(1, 5, "a may only be used with a name below it")]),
        ("x = a.b.d, a.c", []),
        ("a.b.c = 1", [(1, 1, "a.b may only be used with a name below it")]),
        ("f().b.c()", []),
        ("a().b.c()", [(1, 1, "a may only be used with a name below it")]),
        ("builtins.eval()", [(1, 1, "builtins.eval may not be called")]),
        ("import a.b as x", [(1, 1, "a.b may not be imported under another name")]),
        ("import a.b", []),
        ("import a.x as y", []),
        ("from a.b import c", [(1, 1, "a.b.c may not be imported, since it may not be called")]),
        ("from a import b", [(1, 1, "a.b may only be imported as itself, because of what is forbidden below it")]),
        ("from z import eval", [(1, 1, "eval may not be imported, since it may not be called")]),
        ("from a.b import *", [(1, 1, "a.b.* would import a.b.c")]),
        ("from z import *", []),
    ],
)
def test_every_way_to_a_forbidden_call(text: str, found: list[Any]):
    assert told(text, {"type": "forbid_calls", "calls": ["eval", "a.b.c"]}) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import os.path", []),
        ("import os, ast", [(1, 1, "ast is not among the modules that may be imported")]),
        ("from xml import dom", []),
        ("from xml import dom, sax", [(1, 1, "xml.sax is not among the modules that may be imported")]),
        ("from os import bad", [(1, 1, "os.bad may not be imported")]),
        ("from os.bad import x", [(1, 1, "os.bad.x may not be imported")]),
        ("import os.bad.x", [(1, 1, "os.bad.x may not be imported")]),
        ("from os import *", [(1, 1, "os.* would import os.bad")]),
        ("from .os import x", [(1, 1, ".os.x is not among the modules that may be imported")]),
        ("x = importlib.import_module", [(1, 5, "importlib.import_module may not be called")]),
    ],
)
def test_imports_that_are_forbidden_or_not_allowed(text: str, found: list[Any]):
    rules = [{"type": "allow_imports", "modules": ["os", "xml.dom"]}, {"type": "forbid_imports", "modules": ["os.bad"]}]
    assert told(text, *rules) == found


@pytest.mark.parametrize(
    ("fields", "text", "found"),
    [
        ({"functions": "[a-z]+"}, "def aB(): pass", [(1, 1, "the function aB does not match [a-z]+")]),
        ({"functions": "[a-z]+"}, "async def aB(): pass", [(1, 1, "the function aB does not match [a-z]+")]),
        ({"functions": "[a-z]+"}, "class A:\n    def fB(s): ...", [(2, 5, "the function fB does not match [a-z]+")]),
        ({"classes": "[A-Z]+"}, "class a: pass", [(1, 1, "the class a does not match [A-Z]+")]),
        ({"parameters": "[a-z]+"}, "lambda A: 1", [(1, 8, "the parameter A does not match [a-z]+")]),
        ({"constants": "[A-Z]+"}, "a = 1", [(1, 1, "the constant a does not match [A-Z]+")]),
        ({"constants": "[A-Z]+"}, "if x:\n    a = 1", [(2, 5, "the constant a does not match [A-Z]+")]),
        ({"variables": "[a-z]+"}, "A_1 = 1\na = 1", []),
        ({"variables": "[a-z]+"}, "aB = 1", [(1, 1, "the variable aB does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "def f():\n    A = 1", [(2, 5, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "é = 1", [(1, 1, "the variable é does not match [a-z]+")]),
        ({"variables": "\\w+"}, "def f():\n    é = 1", [(2, 5, "the variable é does not match \\w+")]),
        ({"variables": "[a-z]+", "constants": "[A-Z]+"}, "a = A = 1", []),
        ({"variables": "[a-z]+", "constants": "[A-Z]+"}, "aB = 1", [(1, 1, "the constant aB does not match [A-Z]+")]),
        ({"variables": "[a-z]+", "constants": "[A-Z]+"}, "class A:\n    bC = 1", []),
        ({"variables": "[a-z]+"}, "for A in x: pass", [(1, 5, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "[A for A in x]", [(1, 8, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "(A := 1)", [(1, 2, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "with x as A: pass", [(1, 11, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "async def f():\n    async for A in x: pass", [
            (2, 15, "the variable A does not match [a-z]+"),
        ]),
        ({"variables": "[a-z]+"}, "try: pass\nexcept E as A: pass", [(2, 1, "the variable A does not match [a-z]+")]),
        ({"variables": "[a-z]+"}, "match x:\n    case [A, *B]: pass\n    case {**C}: pass", [
            *((2, 11, "the variable A does not match [a-z]+"), (2, 14, "the variable B does not match [a-z]+")),
            (3, 10, "the variable C does not match [a-z]+"),
        ]),
        ({"variables": "[a-z]+"}, "x = A.B[C]\ndel D\nimport E\nclass F:\n    G = 1", []),
    ],
)  # fmt: skip
def test_names_by_what_they_name(fields: dict[str, Any], text: str, found: list[Any]):
    assert told(text, {"type": "naming", **fields}) == found


@pytest.mark.parametrize(
    ("syntax", "text", "found"),
    [
        ("nested_function", LOCAL, [(3, 9, "nested function is forbidden")]),
        ("nested_function", "def f(): pass\nclass A:\n    def g(self): pass", []),
        ("decorator", "@a\nclass A: pass\n@b\ndef f(): pass", [
            *((2, 1, "decorator is forbidden"), (4, 1, "decorator is forbidden")),
        ]),
        ("star_args", "f(a, *b)\nf(**c)\nclass A(*b): pass\nlambda *a: 1\nx = [*a]\nf(x=1)\nclass A(**k): pass", [
            (line, column, "star args is forbidden") for line, column in ((1, 1), (2, 1), (3, 1), (4, 1), (7, 1))
        ]),
        ("class", "x = 1\nclass A: pass", [(2, 1, "class is forbidden")]),
        ("comment", "x = 1\nif x:\n    y  # why", [(3, 8, "comments are forbidden")]),
        ("bare_except", "try: pass\nexcept: pass", [(2, 1, "bare except is forbidden")]),
        ("UnaryOp", "not x\n-x\nx - y", [(1, 1, "not is forbidden"), (2, 1, "unary is forbidden")]),
        ("Not", "not x\n-x", [(1, 1, "not is forbidden")]),
        ("Mult", "x = 1\ny = x + 2 * x", [(2, 9, "Mult is forbidden")]),
        ("And", "x\ny and z", [(2, 1, "and is forbidden")]),
        ("for", "async def f():\n    async for x in y: pass", [(2, 5, "for is forbidden")]),
        ("with", "async def f():\n    async with x: pass", [(2, 5, "with is forbidden")]),
        ("try", "try: pass\nexcept* E: pass", [(1, 1, "try is forbidden")]),
        ("yield", "def f():\n    yield from x", [(2, 5, "yield from is forbidden"), (2, 5, "yield is forbidden")]),
        ("async", "async def f():\n    [x async for x in y]", [
            *((1, 1, "async def is forbidden"), (2, 5, "async comprehension is forbidden")),
        ]),
        ("keyword", "f(a=1, **b)", [(1, 3, "keyword argument is forbidden")]),
    ],
)  # fmt: skip
def test_forbidden_syntax(syntax: str, text: str, found: list[Any]):
    assert sorted(told(text, {"type": "forbid_syntax", "syntax": [syntax]})) == sorted(found)


@pytest.mark.parametrize(
    ("rule", "text", "found"),
    [
        ({"type": "require_docstring"}, 'def f():\n    """Doc."""\nclass A:\n    def g(self): ...', [
            *((3, 1, "A has no docstring"), (4, 5, "g has no docstring")),
        ]),
        ({"type": "require_annotations"}, METHODS, [
            *((3, 9, "f: a, the result without annotation"), (4, 5, "g: a without annotation")),
            (12, 1, "g: self, c, e without annotation"),
        ]),
        ({"type": "require_annotations"}, "def f(): ...", [(1, 1, "f: the result without annotation")]),
        ({"type": "max_nesting", "max": 2}, DEEP, []),
        ({"type": "max_nesting", "max": 1}, DEEP, [
            (5, 9, "statements are nested 2 deep; 1 are allowed"),
            (8, 9, "statements are nested 2 deep; 1 are allowed"),
        ]),
        ({"type": "max_nesting", "max": 1}, LOCAL, [(3, 9, "statements are nested 2 deep; 1 are allowed")]),
        ({"type": "max_nesting", "max": 0}, "class A:\n    def f(self): ...", []),
        ({"type": "max_lines", "max": 2}, "x\ny\nz\ndef f():\n    x\n    y\n", [
            (4, 1, "f has 3 lines; 2 are allowed"),
        ]),
        ({"type": "max_lines", "max": 3}, "x\ny\nz\ndef f():\n    x\n    y\n", []),
        ({"type": "max_lines", "max": 2}, "x\ny\nz\n", [(3, 1, "the text has 3 lines; 2 are allowed")]),
        ({"type": "max_lines", "max": 3}, "x\ny\nz\n", []),
    ],
)  # fmt: skip
def test_habits_and_sizes(rule: dict[str, Any], text: str, found: list[Any]):
    assert told(text, rule) == found


@pytest.mark.parametrize(
    ("text", "is_called"),
    [
        *(("a.b.c()", True), ("a.b.c", False), ("from a import b\nb.c()", True), ("import a.b as x\nx.c()", True)),
        *(("from a.b import c as d\nd()", True), ("from a.b import c\nd()", False), ("from .a import b\nb.c()", False)),
        *(("import a\na.b.c()", True), ("from a import b as x\nb.c()", False), ("f().b.c()", False)),
        ("from . import a\na.b.c()", True),
    ],
)
def test_what_must_be_called_by_whatever_name(text: str, is_called: bool):  # noqa: FBT001
    assert told(text, {"type": "must_call", "calls": ["a.b.c"]}) == (
        [] if is_called else [(1, 1, "a.b.c is never called")]
    )


def test_what_does_not_parse_breaks_the_language_at_its_place():
    for text, place in (("x = 1\ny = (", (2, 5)), ("x = '\0'", (1, 1))):
        (violation,) = python_violations(text, Requirements())
        assert (violation.constraint, violation.line, violation.column) == (LANGUAGE, *place)
        assert violation.message.startswith("not Python: ")
        assert violation.constraint == "", "of the language itself"


def test_violations_come_in_the_order_of_the_text():
    rules = ({"type": "max_lines", "max": 1}, {"type": "forbid_names", "names": ["a", "b"]})
    assert [violation[:2] for violation in told("b = 1\nx = a\n", *rules)] == [(1, 1), (2, 1), (2, 5)]


def test_columns_are_counted_in_characters():
    assert told("'é🙂'; foo", {"type": "forbid_names", "names": ["foo"]}) == [(1, 7, "the name foo is forbidden")]
    assert told("x = 1\n'é'  # why", {"type": "forbid_syntax", "syntax": ["comment"]}) == [
        (2, 6, "comments are forbidden")
    ]


def test_what_is_no_python_breaks_no_constraint_by_name():
    assert {violation.constraint for violation in python_violations("x = ", Requirements())} == {""}


def test_columns_are_counted_in_characters_of_their_own_line():
    lines = ["é = ü".encode(), b"abcde"]
    told = [Violation("it", line, column, "") for line, column in ((1, 3), (1, 6), (2, 3), (3, 1))]
    found = [(violation.line, violation.column) for violation in in_characters(told, lines)]
    assert found == [(1, 2), (1, 5), (2, 3), (3, 1)]
