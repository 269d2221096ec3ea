"""What only llguidance can say of an artifact: that it builds, that some text satisfies it, which texts it takes.

These functions run in the validator's limited child processes (`ConstraintValidator.run_limited`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from llguidance import LLMatcher

from functions.failures import ConstraintRefused
from functions.matching_limits import matcher as limited_matcher
from functions.validation_child import tokenizer, vocabulary
from functions.validation_grammar import engine_grammar
from functions.validation_trial import NOTHING_SATISFIES, Figures, try_grammar


@dataclass(frozen=True)
class Reading:
    """How far into a text an artifact goes: `end` characters; all of it, and a text may end there, when `accepted`."""

    accepted: bool
    end: int


def try_artifact(kind: str, source: str) -> Figures:
    """The trial of an artifact that was compiled here: without the bounds on what users may send as it is.

    Raises `ConstraintRefused`.
    """
    return try_grammar(vocabulary(), kind, source)


def read_texts(kind: str, source: str, texts: Sequence[str]) -> list[Reading]:
    """Read each text by the artifact, as the decoder would write it."""
    if not texts:
        return []
    matcher = limited_matcher(tokenizer(), engine_grammar(kind, source))
    if matcher.is_error():
        raise ConstraintRefused("", matcher.get_error())
    return [_read(matcher.deep_copy(), text) for text in texts]


def _read(matcher: LLMatcher, text: str) -> Reading:
    tokens = tokenizer().tokenize_str(text)
    taken = matcher.try_consume_tokens(tokens)
    if taken == len(tokens):
        return Reading(matcher.is_accepting(), len(text))
    end = len(tokenizer().decode_bytes(tokens[:taken]).decode("utf-8", "ignore"))
    for character in text[end:]:  # of the token that does not fit a part may
        pieces = tokenizer().tokenize_str(character)
        if matcher.try_consume_tokens(pieces) < len(pieces):
            break
        end += 1
    return Reading(accepted=False, end=end)


def empty_intersections(patterns: Sequence[Sequence[str]]) -> list[bool]:
    """For each group of regular expressions: whether no text matches all of them."""
    return [_is_empty(group) for group in patterns]


def _is_empty(patterns: Sequence[str]) -> bool:
    terminals = " & ".join(f"/{pattern}/" for pattern in patterns)
    try:
        try_grammar(vocabulary(), "grammar", f"start: X\nX: {terminals}")
    except ConstraintRefused as refused:
        if refused.reason.startswith(NOTHING_SATISFIES):
            return True
        raise
    return False
