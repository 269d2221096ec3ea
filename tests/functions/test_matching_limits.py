"""Code is written under a grammar with the vocabularies of production too, which are larger than the test model's."""

import itertools
import json
import string
from pathlib import Path

import llguidance
import pytest

from functions import matching_limits
from functions.constraints import function_grammar
from functions.matching_limits import limit_all_matchers, matcher

TEXT = "def middle(values: list[int]) -> int:\n    return sorted(values)[len(values) // 2]"


@pytest.fixture(scope="module")
def large_vocabulary(model_path: Path) -> llguidance.LLTokenizer:
    """The test model's, and 52,000 tokens in which a space, a name and something after it are one."""
    tokenizer = json.loads((model_path / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    words = map(
        "".join, itertools.product(string.ascii_lowercase, string.ascii_lowercase, ".([", string.ascii_lowercase)
    )
    new = [f"\u0120{word}" for word in words if f"\u0120{word}" not in vocabulary]
    free = max([*vocabulary.values(), *(token["id"] for token in tokenizer["added_tokens"])]) + 1
    vocabulary.update(zip(new, itertools.count(free)))
    return llguidance.LLTokenizer(json.dumps(tokenizer), eos_token=2)


def refused(tokenizer: llguidance.LLTokenizer, reader: llguidance.LLMatcher) -> str:
    """What comes at the first token that is not allowed; empty when all are."""
    for token in tokenizer.tokenize_str(TEXT):
        mask = reader.compute_bitmask()
        if reader.is_error() or not mask[token // 8] >> token % 8 & 1:
            return reader.get_error().split("\n")[0] or tokenizer.decode_str([token])
        reader.consume_token(token)
    return ""


def test_a_large_vocabulary_does_not_end_code_in_the_middle(large_vocabulary: llguidance.LLTokenizer):
    grammar = llguidance.LLMatcher.grammar_from_lark(function_grammar(TEXT.split(":\n", maxsplit=1)[0]).source)
    assert "Too many items" in refused(large_vocabulary, llguidance.LLMatcher(large_vocabulary, grammar, log_level=0))
    assert refused(large_vocabulary, matcher(large_vocabulary, grammar)) == ""


def test_matchers_that_others_make_are_limited_alike(
    large_vocabulary: llguidance.LLTokenizer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(llguidance, "LLMatcher", llguidance.LLMatcher)  # put back afterwards
    limit_all_matchers()
    limit_all_matchers()
    grammar = llguidance.LLMatcher.grammar_from_lark(function_grammar(TEXT.split(":\n", maxsplit=1)[0]).source)
    assert refused(large_vocabulary, llguidance.LLMatcher(large_vocabulary, grammar, log_level=0)) == ""
    monkeypatch.setattr(matching_limits, "STEP_ITEMS", 50_000)
    assert "Too many items" in refused(large_vocabulary, llguidance.LLMatcher(large_vocabulary, grammar, log_level=0))
