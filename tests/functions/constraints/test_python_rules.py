"""Each rule on texts that it allows (`good`) and forbids (`bad`), by the grammar and by the check without it."""

from pathlib import Path
from typing import Any

import pytest
from llguidance import LLTokenizer

from functions.constraints.bounds import Bounds
from functions.constraints.python_check import python_violations
from functions.constraints.python_grammar import python_grammar
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.constraints.syntax import ALL
from functions.failures import ConstraintRefused
from tests.functions.constraints.test_python_grammar import accepts, matcher_of

CALLS = {"type": "forbid_calls", "calls": ["eval", "os.system", "os.path.join"]}
NAMES = {"type": "forbid_names", "names": ["foo"]}
ALLOWED = {"type": "allow_imports", "modules": ["re", "xml.dom", "."]}
FORBIDDEN = {"type": "forbid_imports", "modules": ["pickle", "xml.sax"]}
NAMING = {
    "type": "naming",
    "functions": "snake_case",
    "classes": "PascalCase",
    "variables": "[a-z]+",
    "constants": "UPPER_CASE",
    "parameters": "p_.*|self",
}
CASES: list[tuple[dict[str, Any], list[str], list[str]]] = [
    (
        CALLS,
        [
            *("x = evaluate(1)", "import re as o", "from os import getcwd as g, listdir", "os.getcwd()"),
            *("os.path.exists(1)", "df.eval(1)", "import os.path", "x = f'{os.getcwd()}'", "from re import *"),
            *("import os", "case = 1", "oss.system(1)", "system(1)", "x = os.pathsep"),
        ],
        [
            *("x = eval(1)", "f = eval", "import os\nos.system(1)", "import os as o", "from os import system"),
            *("from os import path", "from os import getcwd, system", "x = os", "os.path.join(1)", "y = os.path"),
            *("from builtins import eval as e", "import os.path as p", "x = f'{os.system(1)}'", "from os import *"),
            *("builtins.eval(1)", "getattr(os, 's')", "@eval\ndef f():\n    pass", "x = [eval for eval in y]"),
        ],
    ),
    (
        NAMES,
        ["x = food", "x = 'foo'", "food.bar(1)"],
        [
            *("x = foo", "foo = 1", "x.foo", "x(foo=1)", "def foo():\n    pass", "import foo.b", "import a.foo"),
            *("from a import foo", "from foo import a", "import a as foo", "def f(foo):\n    pass", "global foo"),
        ],
    ),
    (
        {"type": "forbid_names", "names": ["__debug__"]},
        ["x = debug", "x = '__debug__'"],
        ["x = __debug__", "if __debug__:\n    pass", "x = f'{__debug__}'", "x = [__debug__ for y in z]"],
    ),
    (
        {"type": "forbid_names", "names": ["foo"]},
        ["if __debug__:\n    pass", "x = not __debug__", "x = __debug__ and y", "x = __debug__x"],
        ["x = foo"],
    ),
    (
        ALLOWED,
        ["import re", "import re.sub", "from xml import dom", "import xml.dom.minidom", "from . import a", "x = 1"],
        ["import os", "from xml import sax", "import xml", "from .. import a", "__import__('os')", "import res"],
    ),
    (
        FORBIDDEN,
        ["from xml import dom", "import pickles", "import xml", "from . import pickle"],
        ["import pickle", "import pickle.a", "from pickle import x", "import xml.sax", "from xml import sax"],
    ),
    (
        NAMING,
        [
            "def a_b(p_x):\n    pass",
            "def f():\n    x = 1",
            "x = 1",
            "X_Y = 1",
            "class A:\n    bC = 1",
            "aB = xY.zW"[5:],
        ],
        ["def aB(p_x):\n    pass", "def a(x):\n    pass", "def f():\n    xY = 1", "xY = 1", "class a:\n    pass"],
    ),
    (
        {"type": "require_annotations"},
        [
            "def f(a: int) -> int:\n    return a",
            "class A:\n\n    def f(self) -> None:\n        pass",
            "x = lambda y: y",
        ],
        ["def f(a) -> int:\n    return a", "def f(a: int):\n    return a", "def f(*a) -> int:\n    return a"],
    ),
    (
        {"type": "require_docstring"},
        ['def f():\n    """Doc."""\n    return 1', 'class A:\n    """Doc."""\n    x = 1', "x = 1"],
        ["def f():\n    return 1", 'def f():\n    """  """\n    return 1', "class A:\n    x = 1"],
    ),
    (
        {"type": "max_nesting", "max": 1},
        ["def f():\n    if x:\n        return 1\n    elif y:\n        return 2", "if x:\n    y = 1"],
        ["def f():\n    if x:\n        if y:\n            return 1", "for x in y:\n    while z:\n        pass"],
    ),
    (
        {"type": "forbid_syntax", "syntax": ["while", "bare_except", "global", "lambda", "star_args", "walrus"]},
        ["try:\n    x = 1\nexcept E:\n    pass", "for x in y:\n    pass", "f(x)"],
        [
            *("while x:\n    pass", "try:\n    x = 1\nexcept:\n    pass", "global x", "f = lambda: 1", "f(*x)"),
            *("def f(**k):\n    pass", "if (x := 1):\n    pass"),
        ],
    ),
    (
        {"type": "forbid_syntax", "syntax": ["ListComp", "Mult", "JoinedStr", "async", "comment"]},
        ["x = {y for y in z}", "x = 1 + 2", "x = 'a'", "x = []"],
        ["x = [y for y in z]", "x = 1 * 2", "x = f'{y}'", "async def f():\n    pass", "x = 1  # c", "x *= 2"],
    ),
    (
        {"type": "allow_syntax", "syntax": ["return", "assign", "if"]},
        ["def f():\n    x = 1\n    if x:\n        return x", "f(x)"],
        ["for x in y:\n    pass", "def f():\n    raise E", "x = [y for y in z]", "assert x"],
    ),
]


@pytest.fixture(scope="module")
def tokenizer(model_path: Path) -> LLTokenizer:
    return LLTokenizer((model_path / "tokenizer.json").read_text())


@pytest.mark.parametrize(("rule", "good", "bad"), CASES, ids=[case[0]["type"] for case in CASES])
def test_a_rule_means_the_same_to_the_grammar_and_to_the_check(
    tokenizer: LLTokenizer, rule: dict[str, Any], good: list[str], bad: list[str]
):
    requirements = composed(read_constraint_set([{"name": "it", "rule": rule}]).constraints)
    grammar = matcher_of(tokenizer, python_grammar(requirements, Bounds(statements=None, sizes=False)).source)
    assert [text for text in good if not accepts(grammar, tokenizer.tokenize_str(text))] == []
    assert [text for text in good if python_violations(text, requirements)] == []
    assert [text for text in bad if accepts(grammar, tokenizer.tokenize_str(text))] == []
    for text in bad:
        violations = python_violations(text, requirements)
        assert violations, text
        assert {violation.constraint for violation in violations} == {"it"}, text


def test_a_forbidden_name_stays_so_where_it_is_the_module_of_a_forbidden_call(tokenizer: LLTokenizer):
    requirements = Requirements(forbidden_names={"foo": "c0"}, forbidden_calls={"foo.bar.call": "c1", "bar.call": "c1"})
    grammar = matcher_of(tokenizer, python_grammar(requirements).source)
    for text, good in {"from foo import a": False, "from foo.bar import a": False, "from bar import a": True}.items():
        assert accepts(grammar, tokenizer.tokenize_str(text)) == good == (not python_violations(text, requirements))


def test_no_split_into_tokens_gets_around_a_forbidden_name(tokenizer: LLTokenizer):
    requirements = composed(read_constraint_set([{"name": "it", "rule": CALLS}]).constraints)
    grammar = matcher_of(tokenizer, python_grammar(requirements).source)
    text = "x = eval(1)"
    splits = [[text[:4], *pieces, text[8:]] for pieces in (["eval"], ["e", "val"], ["ev", "al"], ["e", "v", "a", "l"])]
    for split in splits:
        tokens = [token for piece in split for token in tokenizer.greedy_tokenize(piece)]
        assert tokenizer.decode_str(tokens) == text
        assert not accepts(grammar, tokens)


@pytest.mark.parametrize(
    ("rules", "begun"),
    [
        ([[]], {"import ", "from "}),
        ([["re"], ["os.path"]], {"import ", "from "}),
        ([["os"], ["os.path"]], set()),
        ([["."]], {"import "}),
        ([["re"], {"type": "forbid_imports", "modules": ["re"]}], {"import ", "from "}),
        ([["a.re"], {"type": "forbid_names", "names": ["re"]}], {"import ", "from "}),
        ([["os.path.join"], CALLS], set()),
        ([["re"]], set()),
    ],
)
def test_an_import_is_not_begun_where_no_module_is_left(
    tokenizer: LLTokenizer, rules: list[list[str] | dict[str, Any]], begun: set[str]
):
    asked = [{"type": "allow_imports", "modules": one} if isinstance(one, list) else one for one in rules]
    for more in ([], [{"type": "signature", "signature": "f(a)"}]):
        named = [{"name": f"rule {number}", "rule": rule} for number, rule in enumerate([*asked, *more])]
        grammar = matcher_of(tokenizer, python_grammar(composed(read_constraint_set(named).constraints)).source)
        for place in ("", "def f(a):\n    "):
            for word in ("import ", "from "):
                tokens = tokenizer.tokenize_str(place + word)
                fits = grammar.validate_tokens(tokens) == len(tokens)
                assert fits == (word not in begun), (place, word)


@pytest.mark.parametrize("more", [[], [{"type": "signature", "signature": "f(a)"}]])
def test_rules_under_which_no_python_is_left_are_refused(more: list[dict[str, Any]]):
    rules = [
        {"name": f"{n}", "rule": rule} for n, rule in enumerate([{"type": "forbid_syntax", "syntax": [*ALL]}, *more])
    ]
    with pytest.raises(ConstraintRefused, match="no Python can be written"):
        python_grammar(composed(read_constraint_set(rules).constraints))


def test_a_name_that_is_forbidden_is_none_of_match_either(tokenizer: LLTokenizer):
    rules = [{"name": "it", "rule": {"type": "forbid_names", "names": ["match"]}}]
    grammar = matcher_of(tokenizer, python_grammar(composed(read_constraint_set(rules).constraints)).source)
    for text in ("match = 1", "match += 1", "def f(a):\n    match = a", "class A:\n    match = 1"):
        assert not accepts(grammar, tokenizer.tokenize_str(text)), text
    assert accepts(grammar, tokenizer.tokenize_str("match a:\n    case 1:\n        pass"))


def test_imports_that_nothing_restricts_are_as_they_were():
    rules = [{"name": "it", "rule": {"type": "forbid_syntax", "syntax": ["Import", "ImportFrom"]}}]
    rules.append({"name": "list", "rule": {"type": "forbid_imports", "modules": ["os"]}})
    source = python_grammar(composed(read_constraint_set(rules).constraints)).source
    assert "import " not in source.replace("KEYWORD_WORD", "")
