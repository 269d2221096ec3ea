"""The trial of a constraint by llguidance itself, as the engine will use it. Runs in a limited child process.

llguidance never raises for a bad grammar: it enters an error state, now or at a later mask. A constraint passes when it
compiles, when its first mask and those along three short ways through it hold no error, and when it allows some text.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from llguidance import LLMatcher, LLTokenizer

from functions.failures import ConstraintRefused
from functions.matching_limits import matcher as limited_matcher
from functions.validation_caps import (
    Pointer,
    check_choices,
    check_schema,
    check_structural_tag,
    json_pointer,
    parse_json,
)
from functions.validation_grammar import admission_grammar, engine_grammar
from functions.validation_text_caps import check_grammar, check_regex
from functions.validation_words import grammar_words, own_words, regex_words, schema_fault

STEPS = 4
"""Tokens along the ways of longest and of shortest tokens."""
STRUCTURAL_STEPS = 16
"""Enough to write one short property and its comma, after which every other optional property is a parser item."""
_STRUCTURE = b']":,0123456789'
_NOTHING_FOLLOWS = "NoExtension"
NOTHING_SATISFIES = "nothing satisfies it"
"""How the reason begins of a refusal of what is well-formed, but no text could be written under it."""
_UNWRITABLE = "forced bytes"


@dataclass(frozen=True)
class Figures:
    """What a trial measured: the grammar's size in bytes, and seconds. `warnings` are llguidance's."""

    grammar_bytes: int
    compile_s: float
    first_mask_s: float
    warnings: tuple[str, ...] = ()


class Vocabulary:
    """A tokenizer with its tokens sorted by length, as bit sets, so that a token to try is found in microseconds."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self.tokenizer = tokenizer
        self.end = _bits(tokenizer.eos_tokens)
        by_length: dict[int, list[int]] = {}
        for token in range(tokenizer.vocab_size):
            if not tokenizer.is_special_token(token) and not self.end >> token & 1:
                by_length.setdefault(len(tokenizer.decode_bytes([token])), []).append(token)
        self._short_to_long = [_bits(by_length[length]) for length in sorted(by_length)]
        single = {tokenizer.decode_bytes([token]): token for token in by_length.get(1, [])}
        self._structural = [1 << single[sign] for sign in (bytes([b]) for b in _STRUCTURE) if sign in single]

    def shortest(self, allowed: int) -> int | None:
        """The first of the shortest tokens among the allowed ones."""
        return next((_lowest(allowed & tokens) for tokens in self._short_to_long if allowed & tokens), None)

    def longest(self, allowed: int) -> int | None:
        """The first of the longest tokens among the allowed ones."""
        return next((_lowest(allowed & tokens) for tokens in reversed(self._short_to_long) if allowed & tokens), None)

    def structural(self, allowed: int) -> int | None:
        """A sign that closes an array, ends a string or leads to the next property of an object; else the shortest."""
        sign = next((sign for sign in self._structural if allowed & sign), 0)
        return _lowest(sign) if sign else self.shortest(allowed)


def try_constraint(vocabulary: Vocabulary, kind: str, source: str) -> Figures:
    """Pass the constraint, or raise `ConstraintRefused` with a pointer into its value."""
    match kind:
        case "json_schema":
            check_schema(parse_json(source))
        case "choice":
            check_choices(parse_json(source))
        case "regex":
            check_regex(source)
            _check_scalars(source)
        case "grammar":
            for embedded in check_grammar(source):
                _check_embedded(embedded.schema, embedded.line)
        case "structural_tag":
            check_structural_tag(parse_json(source))
            return _try_structural_tag(vocabulary, source)
    return try_grammar(vocabulary, kind, source)


def _try_structural_tag(vocabulary: Vocabulary, source: str) -> Figures:
    """The inner schemas first, each on its own: within the tag, a fault shows only once its trigger is written."""
    for i, structure in enumerate(parse_json(source)["structures"]):
        try:
            try_grammar(vocabulary, "json_schema", json.dumps(structure["schema"]))
        except ConstraintRefused as refusal:
            raise ConstraintRefused(f"/structures/{i}/schema{refusal.pointer}", refusal.reason) from None
    return try_grammar(vocabulary, "structural_tag", source)


def try_grammar(vocabulary: Vocabulary, kind: str, source: str) -> Figures:
    """The trial without the bounds on what users may send: for a constraint that was made here."""
    refuse = partial(_refusal, kind=kind, source=source)
    grammar = engine_grammar(kind, source)
    admission = admission_grammar(kind, source)
    if admission != grammar and (message := LLMatcher.validate_grammar(admission, None)):
        raise refuse(message, grammar_of=admission_grammar)
    started = time.perf_counter()
    matcher = limited_matcher(vocabulary.tokenizer, grammar)
    compiled = time.perf_counter()
    if matcher.is_error():
        raise refuse(matcher.get_error())
    allowed = _mask(matcher, refuse)
    masked = time.perf_counter()
    _check_some_text(vocabulary, matcher, allowed)
    ways = ((vocabulary.longest, STEPS), (vocabulary.shortest, STEPS), (vocabulary.structural, STRUCTURAL_STEPS))
    for way, steps in ways:
        _walk(matcher.deep_copy(), way, steps, refuse)
    for text in _beginnings(kind, source):
        _follow(vocabulary, matcher.deep_copy(), text, refuse)
    warnings = tuple(own_words(warning) for warning in islice(matcher.get_grammar_warnings(), 10))
    return Figures(len(grammar.encode()), compiled - started, masked - compiled, warnings)


def _check_some_text(vocabulary: Vocabulary, matcher: LLMatcher, allowed: int) -> None:
    if allowed & ~vocabulary.end:
        return
    if matcher.is_accepting():
        raise ConstraintRefused("", f"{NOTHING_SATISFIES} but the empty text: a generation would end before it starts")
    raise ConstraintRefused("", f"{NOTHING_SATISFIES}: no token may come first")


def _walk(
    matcher: LLMatcher, way: Callable[[int], int | None], steps: int, refuse: Callable[[str], ConstraintRefused]
) -> None:
    for _ in range(steps):
        if matcher.is_stopped():
            return
        token = way(_mask(matcher, refuse))
        if token is None:
            return
        matcher.consume_token(token)
        if matcher.is_error():
            raise refuse(matcher.get_error())


def _follow(vocabulary: Vocabulary, matcher: LLMatcher, text: str, refuse: Callable[[str], ConstraintRefused]) -> None:
    for token in vocabulary.tokenizer.tokenize_str(text, parse_special=True):
        if not matcher.consume_token(token):
            raise refuse(matcher.get_error())
    _mask(matcher, refuse)


def _beginnings(kind: str, source: str) -> list[str]:
    """Texts that lead to where a structural tag's schemas take hold."""
    if kind != "structural_tag":
        return []
    return list(dict.fromkeys(structure["begin"] for structure in parse_json(source)["structures"]))


def _mask(matcher: LLMatcher, refuse: Callable[[str], ConstraintRefused]) -> int:
    allowed = int.from_bytes(matcher.compute_bitmask(), "little")
    if matcher.is_error():
        raise refuse(matcher.get_error())
    return allowed


def _refusal(
    message: str, *, kind: str, source: str, grammar_of: Callable[[str, str], str] = engine_grammar
) -> ConstraintRefused:
    """The refusal for llguidance's message. `grammar_of` makes what it was said of, whole or in part."""
    if message.startswith(_NOTHING_FOLLOWS):
        return ConstraintRefused("", f"{NOTHING_SATISFIES}: at some point nothing may follow ({own_words(message)})")
    if _UNWRITABLE in message:  # small vocabularies lack bytes that are rare in text; a first mask does not show it
        return ConstraintRefused("", f"the model has no tokens to write it with ({own_words(message)})")
    match kind:
        case "json_schema":
            at, message = schema_fault(parse_json(source), message, partial(_schema_refusal, grammar_of))
            return ConstraintRefused(json_pointer(at), own_words(message))
        case "grammar":
            return ConstraintRefused("", grammar_words(message))
        case "regex":
            return ConstraintRefused("", regex_words(message, source))
    return ConstraintRefused("", own_words(message))


def _schema_refusal(grammar_of: Callable[[str, str], str], schema: Any) -> str:
    try:
        grammar = grammar_of("json_schema", json.dumps(schema))
    except ConstraintRefused as refusal:
        return refusal.reason
    return LLMatcher.validate_grammar(grammar, None)


def _check_embedded(schema: Any, line: int) -> None:
    if isinstance(schema, bool):
        return
    at: Pointer = ()
    try:
        check_schema(schema, at=at)
    except ConstraintRefused as refusal:
        place = f"in the schema at line {line}, {refusal.pointer or '/'}"
        raise ConstraintRefused("", f"{place}: {refusal.reason}") from None


def _check_scalars(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ConstraintRefused("", f"half of a surrogate pair at character {error.start + 1}") from None


def _bits(tokens: list[int]) -> int:
    as_bytes = bytearray(max(tokens, default=0) // 8 + 1)
    for token in tokens:
        as_bytes[token >> 3] |= 1 << (token & 7)
    return int.from_bytes(as_bytes, "little")


def _lowest(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
