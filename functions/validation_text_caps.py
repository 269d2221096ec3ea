"""Cheap bounds on regexes and Lark grammars; see `functions.validation_caps`.

Both are read only as far as counting needs. What cannot be read is left to llguidance, whose words on it are better.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from functions.failures import ConstraintRefused

MAX_REPETITION = 10_000
"""`a{10000}` costs 8 ms at the first mask and 2 ms at each one after; `a{1000000}` a third of a second."""
MAX_RULES = 999
MAX_ALTERNATIVES = 1_900

_QUANTIFIER = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_ESCAPE_WITH_BRACES = re.compile(r"[pPxuU]\{[^}]*\}")

# llguidance's parser/src/lark/lexer.rs, in an order that makes the first match the longest one.
_LARK = re.compile(
    r"""
    (?P<skip>(?:\#|//)[^\n]*|[ \t]+)
  | (?P<newline>(?:\r?\n)+[ \t]*)
  | (?P<json>%json)
  | (?P<other_json>%llguidance|%regex)
  | (?P<keyword>%[a-z]+)
  | (?P<string>"(?:\\.|[^"\\\x00-\x1F\x7F])*"i?)
  | (?P<regex>/(?:\\.|[^/\\])+/[imslux]*)
  | (?P<token>_?[A-Z][_A-Z0-9-]*)
  | (?P<rule>!?[_?]?[a-z][_a-z0-9-]*)
  | (?P<special><[^<>\s]+>)
  | (?P<reference>@[a-zA-Z0-9_-]+)
  | (?P<number>[+-]?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?)
  | (?P<define>:(?!:))
  | (?P<sign>->|::|\.\.|[,.(){}\[\]~|&=_+*?])
    """,
    re.VERBOSE,
)
_GBNF_RULE = re.compile(r"(?m)^[ \t]*[\w-]+[ \t]*::=")
_LARK_START = re.compile(r"(?m)^\s*(?:%llguidance\b|start\s*:)")


@dataclass(frozen=True)
class Lexeme:
    """A piece of a Lark grammar: the name of its group in the pattern above, its text, and its offset."""

    kind: str
    text: str
    offset: int


@dataclass(frozen=True)
class EmbeddedSchema:
    """The value of a `%json` in a Lark grammar, and the line (from 1) that it starts on."""

    schema: object
    line: int


def check_regex(pattern: str, pointer: str = "", place: str = "") -> None:
    """Refuse a regex whose bounded repetitions, those within each other multiplied, exceed 10,000."""
    if "\0" in pattern:
        raise ConstraintRefused(pointer, f"a regex must not contain a NUL character{place}")
    largest = [1]  # of each open group: the largest product of repetitions inside it
    last = 1  # of the atom just read
    i = 0
    while i < len(pattern):
        character = pattern[i]
        if character == "\\":
            braces = _ESCAPE_WITH_BRACES.match(pattern, i + 1)
            last, i = 1, braces.end() if braces else i + 2
        elif character == "[":
            last, i = 1, _end_of_class(pattern, i)
        elif character == "(":
            largest.append(1)
            last, i = 1, i + 1
        elif character == ")" and len(largest) > 1:
            last, i = largest.pop(), i + 1
        elif quantifier := _QUANTIFIER.match(pattern, i):
            last *= max(_bounded_int(bound) for bound in quantifier.groups(default="0"))
            if last > MAX_REPETITION:
                reason = f"repetitions multiply to {last}; the decoder takes at most {MAX_REPETITION}"
                raise ConstraintRefused(pointer, f"{reason} (character {i + 1}{place})")
            i = quantifier.end()
        else:
            last, i = last if character in "*+?" else 1, i + 1
        largest[-1] = max(largest[-1], last)


def check_grammar(source: str) -> list[EmbeddedSchema]:
    """Refuse a Lark (or GBNF) grammar beyond the bounds above; answer the JSON schemas that it embeds."""
    if not source.strip():
        raise ConstraintRefused("", "the grammar is empty; a Lark grammar needs a rule named start")
    if source.lstrip().startswith("{"):
        raise ConstraintRefused("", "a grammar is given as Lark text, not as JSON; send a schema as json_schema")
    try:
        source.encode()
    except UnicodeEncodeError as error:
        raise ConstraintRefused("", f"half of a surrogate pair at character {error.start + 1}") from None
    if not _LARK_START.search(source):
        _check_gbnf(source)
        return []
    return _check_lark(source)


def _check_lark(source: str) -> list[EmbeddedSchema]:
    rules = alternatives = 0
    in_rule = False
    schemas: list[EmbeddedSchema] = []
    before = Lexeme("", "", 0)
    for lexeme in lark_lexemes(source):
        match lexeme.kind, lexeme.text:
            case "define", _:
                rules, alternatives, in_rule = rules + 1, 0, before.kind != "token"
                if rules > MAX_RULES:
                    raise ConstraintRefused("", f"more than {MAX_RULES} rules and terminals{_line(source, lexeme)}")
            case "sign", "|" if in_rule:
                alternatives += 1
                if alternatives >= MAX_ALTERNATIVES:
                    reason = f"more than {MAX_ALTERNATIVES} alternatives in one rule{_line(source, lexeme)}"
                    raise ConstraintRefused("", f"{reason}; a terminal (an UPPERCASE name) takes more")
            case "number", _ if before.text in {"{", "~", ",", ".."}:
                if abs(_bounded_int(lexeme.text)) > MAX_REPETITION:
                    reason = f"a repetition of {lexeme.text[:20]}; the decoder takes at most {MAX_REPETITION}"
                    raise ConstraintRefused("", reason + _line(source, lexeme))
            case "regex", text:
                check_regex(text[1 : text.rindex("/")], place=_line(source, lexeme))
            case "schema", text:
                line = source.count("\n", 0, lexeme.offset) + 1
                schemas.append(EmbeddedSchema(json.loads(text), line))
        before = lexeme
    return schemas


def _check_gbnf(source: str) -> None:
    rules = len(_GBNF_RULE.findall(source))
    if rules > MAX_RULES:
        raise ConstraintRefused("", f"more than {MAX_RULES} rules")
    for quantifier in _QUANTIFIER.finditer(source):
        if max(_bounded_int(bound) for bound in quantifier.groups(default="0")) > MAX_REPETITION:
            line = source.count("\n", 0, quantifier.start()) + 1
            reason = f"a repetition of {quantifier.group()[:20]}; the decoder takes at most {MAX_REPETITION}"
            raise ConstraintRefused("", f"{reason} (line {line})")


def lark_lexemes(source: str) -> Iterator[Lexeme]:
    """The lexemes of a Lark grammar up to the first that cannot be read. JSON after `%json` comes as a `schema`."""
    offset = 0
    while found := _LARK.match(source, offset):
        kind = found.lastgroup or ""
        if kind in {"json", "other_json"}:
            start = len(source) - len(source[found.end() :].lstrip())
            try:
                _, end = json.JSONDecoder().raw_decode(source, start)
            except (ValueError, RecursionError):
                return
            yield Lexeme("schema" if kind == "json" else "option", source[start:end], start)
            offset = end
        else:
            if kind not in {"skip", "newline"}:
                yield Lexeme(kind, found.group(), offset)
            offset = found.end()


def _line(source: str, lexeme: Lexeme) -> str:
    line = source.count("\n", 0, lexeme.offset) + 1
    column = lexeme.offset - (source.rfind("\n", 0, lexeme.offset) + 1) + 1
    return f" at line {line}, column {column}"


def _end_of_class(pattern: str, start: int) -> int:
    """Where a character class ends; classes nest in Rust's syntax, and `]` is literal right after `[` or `[^`."""
    depth, i = 0, start
    while i < len(pattern):
        if pattern[i] == "\\":
            i += 2
            continue
        if pattern[i] == "[":
            depth += 1
            i += 2 if pattern[i + 1 : i + 2] == "^" else 1
            i += pattern[i : i + 1] == "]"
            continue
        depth -= pattern[i] == "]"
        i += 1
        if depth == 0:
            break
    return min(i, len(pattern))


def _bounded_int(digits: str) -> int:
    """The number, cut at 19 digits: Python refuses to read thousands of them, and any that long is too large."""
    try:
        return int(float(digits[:19] or "0"))
    except ValueError:
        return 0
