"""The TypeScript grammar without rules: what it accepts and refuses, and that whatever it lets end parses.

`bench/typescript_completeness.py` measures it over the sources of five npm packages.
"""

from pathlib import Path

import pytest
from llguidance import LLMatcher, LLTokenizer

from functions.constraints.bounds import Bounds
from functions.constraints.extraction.syntax_tree import first_error
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.constraints.typescript_grammar import typescript_grammar
from functions.constraints.typescript_signature import read_typescript_signature
from functions.constraints.typescript_tree import parsed
from tests.functions.constraints.random_walks import Walker
from tests.functions.constraints.test_python_grammar import accepts, matcher_of
from tests.functions.constraints.typescript_pieces import typescript_pieces
from tests.functions.constraints.typescript_texts import ACCEPTED, REFUSED, texts

WALKS = 300


@pytest.fixture(scope="module")
def tokenizer(model_path: Path) -> LLTokenizer:
    return LLTokenizer((model_path / "tokenizer.json").read_text())


@pytest.fixture(scope="module", params=[False, True], ids=["without sizes", "as generated"])
def grammar(tokenizer: LLTokenizer, request: pytest.FixtureRequest) -> LLMatcher:
    """With and without the bounds that generated code has."""
    return matcher_of(tokenizer, typescript_grammar(Requirements(), Bounds(sizes=request.param)).source)


@pytest.mark.parametrize("text", texts(ACCEPTED))
def test_typescript_as_prettier_writes_it_is_accepted(tokenizer: LLTokenizer, grammar: LLMatcher, text: str):
    assert accepts(grammar, tokenizer.tokenize_str(text))
    assert accepts(grammar, tokenizer.tokenize_str(text + "\n"))


@pytest.mark.parametrize("text", texts(REFUSED))
def test_what_is_no_typescript_or_not_in_its_style_is_refused(tokenizer: LLTokenizer, grammar: LLMatcher, text: str):
    assert not accepts(grammar, tokenizer.tokenize_str(text))


@pytest.mark.parametrize(
    ("signature", "body"),
    [
        ("function add(a: number, b: number): number", " {\n  return a + b;\n}"),
        ("async function load<T>(url: string): Promise<T>", " {\n  return await fetch(url);\n}\n"),
        ("pair( a:string,  b : string ) : [string, string]", " {\n  return [a, b];\n}"),
    ],
)
def test_a_function_has_the_head_that_is_forced_and_nothing_after_it(tokenizer: LLTokenizer, signature: str, body: str):
    read = read_typescript_signature(signature)
    head = read.head
    grammar = matcher_of(tokenizer, typescript_grammar(Requirements(signatures=[(read, "it")])).source)
    assert accepts(grammar, tokenizer.tokenize_str(head + body))
    for other in ("const x = 1;", head, head + ";", head + body.strip("\n") + "\nconst x = 1;", f"{head}{{}}"):
        assert not accepts(grammar, tokenizer.tokenize_str(other))


def test_whatever_the_mask_lets_end_parses(tokenizer: LLTokenizer):
    walker = Walker(tokenizer, typescript_pieces())
    matcher = walker.matcher(typescript_grammar(Requirements()).source)
    walks = [walker.walk(matcher, seed) for seed in range(WALKS)]
    finished = [walk.text for walk in walks if walk.finished]
    assert [text for text in finished if first_error(parsed(text.encode()))] == []
    assert len(finished) > WALKS / 3


def test_what_is_imported_at_run_time_is_not_known_so_that_rules_on_imports_exclude_it(tokenizer: LLTokenizer):
    tokens = tokenizer.tokenize_str('import("a");')
    assert accepts(matcher_of(tokenizer, typescript_grammar(Requirements()).source), tokens)
    for rule in ("forbid_imports", "allow_imports"):
        stated = [{"name": "it", "severity": "error", "rule": {"type": rule, "modules": ["b"]}}]
        requirements = composed(read_constraint_set(stated, language="typescript").constraints, "typescript")
        assert not accepts(matcher_of(tokenizer, typescript_grammar(requirements).source), tokens), rule
