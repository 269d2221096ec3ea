"""The Python grammar: sound under random rules, complete over real code, and of one mind with the check without it.

Short forms of what `make bench-constraints` measures.
"""

import ast
from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer

from functions.constraints.bounds import Bounds
from functions.constraints.python_check import python_violations
from functions.constraints.python_grammar import function_grammar, python_grammar
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.failures import ConstraintRefused
from tests.functions.constraints.python_functions import packages, real_functions, sample, standard_library
from tests.functions.constraints.rule_sets import rule_set
from tests.functions.constraints.soundness import walk_under_rules

REAL = Bounds(depth=7, statements=None, sizes=False)


@pytest.fixture(scope="module")
def tokenizer(model_path: Path) -> LLTokenizer:
    return LLTokenizer((model_path / "tokenizer.json").read_text())


def matcher_of(tokenizer: LLTokenizer, source: str) -> LLMatcher:
    matcher = LLMatcher(tokenizer, LLMatcher.grammar_from_lark(source), log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def accepts(matcher: LLMatcher, tokens: list[int]) -> bool:
    here = matcher.deep_copy()
    return here.try_consume_tokens(tokens) == len(tokens) and here.is_accepting()


def test_whatever_the_mask_allows_parses_and_obeys_every_rule(tokenizer: LLTokenizer):
    found = walk_under_rules(tokenizer, walks=400)
    assert found.faults == []
    assert found.finished > found.walks / 2


def test_real_functions_are_in_the_grammar_and_judged_alike_with_it_and_without(tokenizer: LLTokenizer):
    functions = sample(real_functions([*standard_library()[::4], *packages(["httpx"])]), 400)
    grammar = matcher_of(tokenizer, python_grammar(Requirements(), REAL).source)
    tokens = {function.text: tokenizer.tokenize_str(function.text) for function in functions}
    accepted = [text for text in tokens if accepts(grammar, tokens[text])]
    assert len(accepted) >= 0.99 * len(tokens)
    judged = 0
    for seed in range(40):
        requirements = composed(rule_set(seed, with_signature=False))
        try:
            under_rules = matcher_of(tokenizer, python_grammar(requirements, REAL).source)
        except ConstraintRefused:
            continue
        for text in accepted[seed::8]:
            judged += 1
            assert accepts(under_rules, tokens[text]) == (not python_violations(text, requirements)), (seed, text)
    assert judged > 1000


@pytest.mark.parametrize(
    ("signature", "texts"),
    [
        ("def add(a: int, b: int=0) -> int", ["def add(a: int, b: int = 0) -> int:\n    return a + b"]),
        ("add(a, *rest, key=None)", ["def add(a, *rest, key=None):\n    pass\n"]),
        ("async def f() -> None:", ["async def f() -> None:\n    await g()"]),
    ],
)
def test_a_function_has_the_head_that_is_forced(tokenizer: LLTokenizer, signature: str, texts: list[str]):
    grammar = matcher_of(tokenizer, function_grammar(signature).source)
    for text in texts:
        assert accepts(grammar, tokenizer.tokenize_str(text))
    for other in ("def other():\n    pass", "x = 1", texts[0] + "\n\nx = 1"):
        assert not accepts(grammar, tokenizer.tokenize_str(other))


def test_imports_may_stand_above_a_head_that_is_forced(tokenizer: LLTokenizer):
    grammar = matcher_of(tokenizer, function_grammar("f(a)").source)
    function = "def f(a):\n    return a"
    for above in ("import re\n", "import re\nfrom datetime import date, timedelta as t\n\n\n", "from . import a\n\n"):
        assert accepts(grammar, tokenizer.tokenize_str(above + function)), above
    for above in ("x = 1\n", "from re import *\n", "import re; ", "import re\n    ", "# so\n", "import re\n" * 9):
        assert not accepts(grammar, tokenizer.tokenize_str(above + function)), above
    assert not accepts(grammar, tokenizer.tokenize_str("import re\n"))


def test_a_power_is_written_with_space_around_it_or_without(tokenizer: LLTokenizer):
    grammar = matcher_of(tokenizer, function_grammar("f(a)").source)
    for text in ("a ** 2", "a**2", "int(a**0.5)", "-a.b**c[0]", "f(*a, **b)"):
        assert accepts(grammar, tokenizer.tokenize_str(f"def f(a):\n    return {text}")), text


def test_an_empty_line_may_hold_the_space_that_models_write_in_it(tokenizer: LLTokenizer):
    grammar = matcher_of(tokenizer, function_grammar("f(a)").source)
    for space in ("", "    ", "        "):
        text = f"def f(a):\n    if a:\n        return 1\n{space}\n    # then\n{space}\n    return 2"
        assert accepts(grammar, tokenizer.tokenize_str(text)), repr(space)
    for other in (
        "def f(a):\n  \n    return 1",
        "def f(a):\n    return 1\n    \n",
        "def f(a):\n    \n\n    \n    return 1",
    ):
        assert not accepts(grammar, tokenizer.tokenize_str(other)), repr(other)


@pytest.mark.parametrize("leaving", ["return", "return a", "raise ValueError(a)", "break", "continue"])
def test_nothing_follows_in_a_block_that_has_been_left(tokenizer: LLTokenizer, leaving: str):
    grammar = matcher_of(tokenizer, function_grammar("f(a)").source)
    left = f"def f(a):\n    for b in a:\n        # enough\n        {leaving}"
    for more in ("", "\n", "  # so\n    return b", "\n    else:\n        return b"):
        assert accepts(grammar, tokenizer.tokenize_str(left + more)), more
    for more in ("\n        pass", f"  # so\n        {leaving}", "\n        # why\n        pass"):
        assert not accepts(grammar, tokenizer.tokenize_str(left + more)), more


def test_what_is_annotated_is_what_python_takes(tokenizer: LLTokenizer):
    grammar = matcher_of(tokenizer, python_grammar(Requirements()).source)
    for text in ("A: int", "(A): int = 1", "a.b: int", "self.a.b: list[int] = []", "(a).b: int", "(a)().b: int = 1"):
        try:
            ast.parse(text)
        except SyntaxError:
            assert not accepts(grammar, tokenizer.tokenize_str(text)), text
        else:
            assert accepts(grammar, tokenizer.tokenize_str(text)), text


def test_match_is_a_variable_where_no_rule_is_against_it(tokenizer: LLTokenizer):
    text = "def f(a):\n    match = a\n    for match in a:\n        b = [match, match.c]\n    return match"
    for rule, is_allowed in (
        (None, True),
        ({"type": "naming", "variables": "[a-z]+"}, True),
        ({"type": "naming", "variables": "b"}, False),
        ({"type": "forbid_names", "names": ["match"]}, False),
    ):
        stated = [] if rule is None else [{"name": "it", "severity": "error", "rule": rule}]
        requirements = composed(read_constraint_set(stated).constraints)
        grammar = matcher_of(tokenizer, python_grammar(requirements).source)
        assert accepts(grammar, tokenizer.tokenize_str(text)) is is_allowed, rule


def test_after_the_return_of_a_function_there_is_only_its_end(tokenizer: LLTokenizer):
    grammar = matcher_of(tokenizer, function_grammar("f(a)").source)
    tokens = tokenizer.tokenize_str("def f(a):\n    return a\n")
    assert grammar.try_consume_tokens(tokens) == len(tokens)
    assert [token for token, bias in enumerate(grammar.compute_logit_bias()) if bias] == [tokenizer.eos_token]


@pytest.mark.parametrize("signature", ["", "def", "x = 1", "def f(a, a)", "def f(): pass\ndef g(): pass", "class A"])
def test_what_is_no_head_is_refused(signature: str):
    with pytest.raises(ConstraintRefused):
        function_grammar(signature)
