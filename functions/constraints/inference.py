"""Rules that a description states plainly. What is read this way is marked so, and trusted less than a typed rule.

Only sentences whose meaning a reader would not dispute are read; everything else stays prose, for the prompt.
"""

import builtins
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from functions.constraints.model import (
    AllowImportsRule,
    ForbidCallsRule,
    ForbidImportsRule,
    ForbidNamesRule,
    ForbidSyntaxRule,
    Language,
    MaxLineLengthRule,
    MaxLinesRule,
    MaxNestingRule,
    MustCallRule,
    NamingRule,
    RegexRule,
    RequireAnnotationsRule,
    RequireDocstringRule,
    Rule,
)
from functions.constraints.syntax import WORDS

CONFIDENT, LIKELY = 0.9, 0.7
_LONGEST = 500
"""Characters of a description that can be one plain sentence."""

_FORBID = r"(?:(?:do|does|must|should|may|can) ?not|don't|never|no|avoid|without|mustn't|shouldn't)"
_NEGATED = rf"\b(?:{_FORBID}|not)\b"
_NAME = r"`?([A-Za-z_][\w.]*\w|\w)(?:\(\))?`?"
_NAMES = rf"({_NAME.replace('(', '(?:', 1)}(?:(?:, | and | or |, and |, or ){_NAME.replace('(', '(?:', 1)})*)"
_SYNTAX_WORDS = {word.replace("_", " "): word for word in WORDS} | {
    "loops": "for",
    "while loops": "while",
    "for loops": "for",
    "lambdas": "lambda",
    "classes": "class",
    "bare except clauses": "bare_except",
    "globals": "global",
    "global variables": "global",
    "global state": "global",
    "comprehensions": "comprehension",
    "decorators": "decorator",
    "nested functions": "nested_function",
    "assertions": "assert",
    "walrus operators": "walrus",
}


@dataclass(frozen=True)
class Inferred:
    """A rule, and how sure it is that it was meant."""

    rule: Rule
    confidence: float


def inferred_rule(description: str, language: Language) -> Inferred | None:
    """The first rule that the description states plainly, or None: also where no rule could hold what it says."""
    text = " ".join(description.split())
    if not text or len(text) > _LONGEST:
        return None
    readers = [_regex, *([_sizes, _habits, _imports, _syntax, _calls, _naming] if _is_code(language) else [])]
    try:
        return next((rule for read in readers for rule in read(text)), None)
    except ValidationError:
        return None


def _is_code(language: Language) -> bool:
    return language in {"python", "typescript"}


def _regex(text: str) -> Iterator[Inferred]:
    said = r"\bmust match (?:the )?(?:regex|regular expression|pattern):? *(?:`([^`]+)`\.?|(\S.*))$"
    if found := re.search(said, text, re.IGNORECASE):
        yield Inferred(RegexRule(type="regex", pattern=found[1] or found[2]), CONFIDENT)


def _sizes(text: str) -> Iterator[Inferred]:
    most = r"(?:at most|no more than|not more than|up to|maximum(?: of)?|max(?:imum)?:?|must not exceed|<=) (\d+)"
    rules: tuple[tuple[str, Callable[[int], Rule]], ...] = (
        (
            rf"lines? .*{most} characters|{most} characters (?:per|a|each) line",
            lambda n: MaxLineLengthRule(type="max_line_length", max=n),
        ),
        (rf"nest\w* .*{most}|{most} levels? of nesting", lambda n: MaxNestingRule(type="max_nesting", max=n)),
        (rf"{most} lines", lambda n: MaxLinesRule(type="max_lines", max=n)),
    )
    for pattern, rule in rules:
        if found := re.search(pattern, text, re.IGNORECASE):
            yield Inferred(rule(int(next(filter(None, found.groups())))), CONFIDENT)


def _habits(text: str) -> Iterator[Inferred]:
    if re.search(_NEGATED, text, re.IGNORECASE):
        return
    if re.search(
        r"\b(must|should|require[sd]?|need|all|every|each)\b.*\bdocstrings?\b|docstrings? (are )?required",
        text,
        re.IGNORECASE,
    ):
        yield Inferred(RequireDocstringRule(type="require_docstring"), CONFIDENT)
    if re.search(
        r"\b(must|should|require[sd]?|need|all|every|each)\b.*\b(type (hints?|annotations?)|annotated)\b",
        text,
        re.IGNORECASE,
    ):
        yield Inferred(RequireAnnotationsRule(type="require_annotations"), CONFIDENT)


def _imports(text: str) -> Iterator[Inferred]:
    if found := re.match(
        rf"(?:may )?(?:only|use only) imports? (?:from )?{_NAMES}\.?$|only {_NAMES} may be imported",
        text,
        re.IGNORECASE,
    ):
        yield Inferred(AllowImportsRule(type="allow_imports", modules=_listed(found)), CONFIDENT)
    if found := re.search(rf"\b{_FORBID} imports?(?:ing)? (?:of )?{_NAMES}\.?$", text, re.IGNORECASE):
        yield Inferred(ForbidImportsRule(type="forbid_imports", modules=_listed(found)), CONFIDENT)


def _syntax(text: str) -> Iterator[Inferred]:
    words = "|".join(sorted(map(re.escape, _SYNTAX_WORDS), key=len, reverse=True))
    found = re.search(
        rf"\b{_FORBID} (?:use |uses? of |using |be )?(?:an? |any |the )?({words})(?: statements?| loops?)?\.?$",
        text,
        re.IGNORECASE,
    )
    if found:
        word = _SYNTAX_WORDS[found[1].casefold()]
        yield Inferred(ForbidSyntaxRule(type="forbid_syntax", syntax=(word,)), CONFIDENT)


def _calls(text: str) -> Iterator[Inferred]:
    forbidden = rf"\b{_FORBID} (use|using|call|calling|invoke|invoking)?(?: of| to)? ?{_NAMES}\.?$"
    if found := re.search(forbidden, text, re.IGNORECASE):
        names = tuple(name for name in _split(found[2]))
        is_call = (found[1] or "").casefold().startswith(("call", "invok"))
        if is_call or all(_is_callable(name) or f"{name}()" in text for name in names):
            yield Inferred(ForbidCallsRule(type="forbid_calls", calls=names), CONFIDENT if is_call else LIKELY)
        elif all(f"`{name}`" in text or "_" in name for name in names):
            yield Inferred(ForbidNamesRule(type="forbid_names", names=names), LIKELY)
    if found := re.search(rf"\b(?:must|always) (?:call|use|invoke) {_NAMES}\.?$", text, re.IGNORECASE):
        names = _split(found[1])
        if "call" in text.casefold() or all("." in name or f"{name}()" in text for name in names):
            yield Inferred(MustCallRule(type="must_call", calls=names), LIKELY)


def _naming(text: str) -> Iterator[Inferred]:
    kinds = "functions?|class(?:es)?|variables?|parameters?|constants?"
    styles = "snake_case|PascalCase|camelCase|UPPER_CASE|UPPER_SNAKE_CASE|SCREAMING_SNAKE_CASE"
    found = re.search(rf"\b({kinds})(?: names?)? .*?\b({styles})\b", text, re.IGNORECASE)
    if found and not re.search(_NEGATED, text, re.IGNORECASE):
        kind = {"f": "functions", "c": "classes", "v": "variables", "p": "parameters"}[found[1][0].casefold()]
        kind = "constants" if found[1].casefold().startswith("const") else kind
        style = {"u": "UPPER_CASE", "pa": "PascalCase", "ca": "camelCase", "sn": "snake_case", "sc": "UPPER_CASE"}
        folded = found[2].casefold()
        pattern = style.get(folded[:1]) or style[folded[:2]]
        yield Inferred(NamingRule(type="naming", **{kind: pattern}), CONFIDENT)


def _listed(found: re.Match[str]) -> tuple[str, ...]:
    return _split(next(filter(None, found.groups())))


def _split(names: str) -> tuple[str, ...]:
    return tuple(name.strip("`").removesuffix("()").rstrip(".") for name in re.split(r",? and |,? or |, ", names))


def _is_callable(name: str) -> bool:
    return "." in name or callable(getattr(builtins, name, None))
