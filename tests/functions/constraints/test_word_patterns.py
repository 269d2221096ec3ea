"""Words and patterns as they stand in a Lark grammar."""

import re

from hypothesis import given
from hypothesis import strategies as st

from functions.constraints.word_patterns import any_of, slashed

WORDS = st.lists(st.text(alphabet="ab./-\\(|", min_size=1, max_size=4), min_size=1, max_size=6)


@given(WORDS, st.text(alphabet="ab./-\\(|", max_size=4), st.booleans())
def test_exactly_the_words_are_matched(words: list[str], other: str, factored: bool):  # noqa: FBT001 - drawn
    pattern = re.compile(any_of(words, factored=factored))
    assert all(pattern.fullmatch(word) for word in words)
    assert bool(pattern.fullmatch(other)) == (other in words)


def test_without_words_nothing_is_matched():
    assert not re.fullmatch(any_of([]), "")


def test_a_pattern_is_written_between_slashes_as_what_it_means():
    for pattern, written in (("/a", r"\/a"), (r"a\/b/", r"a\/b\/"), (r"\\/", r"\\\/"), ("a\nb", r"a\nb")):
        assert slashed(pattern) == written
