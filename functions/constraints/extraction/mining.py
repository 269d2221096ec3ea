"""From what was seen to what is asked: rules with their evidence, and a confidence that is their support.

A habit becomes a rule when at least `MINIMUM_SEEN` places show it and at least `MINIMUM_SUPPORT` of them agree. For
what was *never* seen the confidence is 1 - 3/n over n calls, the "rule of three": the upper 95 % bound on an event's
rate after n trials without one (Hanley & Lippman-Hand, JAMA 249(13), 1983).
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from functions.constraints.extraction import python, typescript
from functions.constraints.extraction.observation import NameKind, Observations, Place
from functions.constraints.extraction.sources import Language, SkippedFile, SourceFile
from functions.constraints.extraction.syntax_tree import SyntaxErrorAt

MINIMUM_SEEN = 5
MINIMUM_SUPPORT = 0.9
SIZE_SUPPORT = 0.98
MOST_EVIDENCE = 5
MOST_SIGNATURES = 200
_USUAL_LINE_LENGTHS = (79, 88, 100, 120, 140, 160)

_STYLES = {
    "snake_case": "_{0,2}[a-z][a-z0-9_]*",
    "camelCase": "[_$]?[a-z][a-zA-Z0-9]*",
    "PascalCase": "_?[A-Z][a-zA-Z0-9]*",
    "UPPER_CASE": "_?[A-Z][A-Z0-9_]*",
}
_KIND_WORDS: dict[NameKind, str] = {
    "functions": "functions",
    "classes": "classes and types",
    "variables": "variables",
    "parameters": "parameters",
    "constants": "constants",
}
# What linters flag: flake8-bandit S102, S301, S307, S605 and T201; eslint no-eval, no-new-func, no-alert, no-console.
_FLAGGED_CALLS: dict[Language, tuple[str, ...]] = {
    "python": ("eval", "exec", "os.system", "pickle.load", "pickle.loads", "marshal.loads", "yaml.load", "print"),
    "typescript": ("eval", "Function", "alert", "console.log", "document.write"),
}
_FLAGGED_SYNTAX: dict[Language, tuple[str, ...]] = {"python": ("bare_except", "global"), "typescript": ("any", "var")}

_OBSERVERS: dict[Language, Callable[[SourceFile, Observations], None]] = {
    "python": python.observe,
    "typescript": typescript.observe,
}


@dataclass(frozen=True)
class Extraction:
    """The constraint sets, one a language (as JSON: name, language, constraints), and the files that were not read."""

    constraint_sets: list[dict[str, Any]]
    skipped: list[SkippedFile]
    files_read: int


def extract(files: Iterable[SourceFile]) -> Extraction:
    """Mine one constraint set per language. A file that does not parse is skipped and named; nothing is executed."""
    seen: dict[Language, Observations] = {}
    skipped: list[SkippedFile] = []
    read = 0
    for file in files:
        language = file.language
        if language is None:
            skipped.append(SkippedFile(file.path, "neither Python nor TypeScript, by its suffix"))
            continue
        try:
            _OBSERVERS[language](file, seen.setdefault(language, Observations()))
        except SyntaxErrorAt as error:
            skipped.append(SkippedFile(file.path, str(error)))
        else:
            read += 1
    sets = [
        {"name": f"extracted-{language}", "language": language, "constraints": list(_mined(language, observations))}
        for language, observations in sorted(seen.items())
    ]
    return Extraction([s for s in sets if s["constraints"]], skipped, read)


def _mined(language: Language, seen: Observations) -> Iterator[dict[str, Any]]:
    yield from _naming(seen)
    yield from _habits_of_functions(seen)
    yield from _sizes(seen)
    yield from _imports(seen)
    yield from _never(language, seen)
    yield from _prose(seen)


def _naming(seen: Observations) -> Iterator[dict[str, Any]]:
    for kind, named in seen.names.items():
        if len(named) < MINIMUM_SEEN:
            continue
        style, pattern = max(_STYLES.items(), key=lambda s: sum(bool(re.fullmatch(s[1], n.name)) for n in named))
        following = [n for n in named if re.fullmatch(pattern, n.name)]
        support = len(following) / len(named)
        if support >= MINIMUM_SUPPORT:
            yield _constraint(
                name=f"naming-{kind}",
                kind="syntactic",
                description=f"{_KIND_WORDS[kind]} are named in {style} ({len(following)} of {len(named)})",
                rule={"type": "naming", kind: pattern},
                confidence=support,
                evidence=(n.place for n in following),
            )


def _habits_of_functions(seen: Observations) -> Iterator[dict[str, Any]]:
    public = [f for f in seen.functions if f.is_public]
    annotated = [f for f in seen.functions if f.annotated]
    documented = [f for f in public if f.documented]
    habits = (
        ("require_annotations", "annotated parameters and result", seen.functions, annotated, "Type_System"),
        ("require_docstring", "a documentation comment", public, documented, "Documentation"),
    )
    for rule, words, functions, following, source in habits:
        if len(functions) < MINIMUM_SEEN or len(following) / len(functions) < MINIMUM_SUPPORT:
            continue
        yield _constraint(
            name=rule.replace("_", "-"),
            kind="type_safety" if source == "Type_System" else "semantic",
            description=f"functions have {words} ({len(following)} of {len(functions)})",
            rule={"type": rule},
            confidence=len(following) / len(functions),
            evidence=(f.place for f in following),
            source=source,
        )


def _sizes(seen: Observations) -> Iterator[dict[str, Any]]:
    if len(seen.functions) < MINIMUM_SEEN:
        return
    sizes = (
        ("max_nesting", "statements nest at most {} deep", Counter(max(f.nesting, 1) for f in seen.functions), ()),
        ("max_lines", "functions have at most {} lines", Counter(f.lines for f in seen.functions), ()),
        ("max_line_length", "lines have at most {} characters", seen.line_lengths, _USUAL_LINE_LENGTHS),
    )
    for rule, words, sizes_seen, usual in sizes:
        limit, support = _smallest_limit(sizes_seen, usual)
        yield _constraint(
            name=rule.replace("_", "-"),
            kind="syntactic",
            description=f"{words.format(limit)} ({support:.1%} of {sizes_seen.total()})",
            rule={"type": rule, "max": limit},
            confidence=support,
            evidence=(),
            severity="info",
        )


def _smallest_limit(sizes: Counter[int], usual: tuple[int, ...]) -> tuple[int, float]:
    """The smallest limit that `SIZE_SUPPORT` of the sizes keep to, one of the `usual` ones if there is any."""
    for limit in [*usual, *sorted(sizes)]:
        support = sum(count for size, count in sizes.items() if size <= limit) / sizes.total()
        if support >= SIZE_SUPPORT:
            break
    return limit, support


def _imports(seen: Observations) -> Iterator[dict[str, Any]]:
    if seen.imports:
        yield _constraint(
            name="allow-imports",
            kind="architectural",
            description="only modules that this code base already imports",
            rule={"type": "allow_imports", "modules": sorted(seen.imports)},
            confidence=1.0,
            evidence=seen.imports.values(),
        )


def _never(language: Language, seen: Observations) -> Iterator[dict[str, Any]]:
    calls, functions = seen.calls.total(), len(seen.functions)
    absent = [name for name in _FLAGGED_CALLS[language] if name not in seen.calls]
    if absent and calls > 3 / (1 - MINIMUM_SUPPORT):
        yield _constraint(
            name="forbid-calls",
            kind="security",
            description=f"never called in {calls} calls: {', '.join(absent)}",
            rule={"type": "forbid_calls", "calls": absent},
            confidence=1 - 3 / calls,
            evidence=(),
            source="Control_Flow",
        )
    unused = [word for word in _FLAGGED_SYNTAX[language] if not seen.syntax[word]]
    if unused and functions > 3 / (1 - MINIMUM_SUPPORT):
        yield _constraint(
            name="forbid-syntax",
            kind="syntactic",
            description=f"never written in {functions} functions: {', '.join(unused)}",
            rule={"type": "forbid_syntax", "syntax": unused},
            confidence=1 - 3 / functions,
            evidence=(),
        )


def _prose(seen: Observations) -> Iterator[dict[str, Any]]:
    """What a grammar cannot hold, for the prompt: which exceptions, which functions to build on, what tests assert."""
    if seen.raised:
        common = sorted(seen.raised, key=lambda name: -len(seen.raised[name]))[:10]
        yield _constraint(
            name="exceptions",
            kind="semantic",
            description=f"errors are raised as {', '.join(common)}",
            rule=None,
            confidence=1.0,
            evidence=(seen.raised[name][0] for name in common),
            severity="hint",
        )
    signatures = [f for f in seen.functions if f.is_top_level and f.is_public and not f.is_test][:MOST_SIGNATURES]
    if signatures:
        yield _constraint(
            name="available-functions",
            kind="type_safety",
            description="these functions exist and may be called: " + "; ".join(f.signature for f in signatures),
            rule=None,
            confidence=1.0,
            evidence=(f.place for f in signatures),
            severity="hint",
            source="Type_System",
        )
    for number, place in enumerate(seen.asserted[:MOST_EVIDENCE], 1):
        yield _constraint(
            name=f"asserted-{number}",
            kind="semantic",
            description=f"a test asserts: {place.text}",
            rule=None,
            confidence=1.0,
            evidence=[place],
            severity="hint",
            source="Test_Mining",
        )


def _constraint(
    *,
    name: str,
    kind: str,
    description: str,
    rule: dict[str, Any] | None,
    confidence: float,
    evidence: Iterable[Place],
    severity: str = "warning",
    source: str = "AST_Pattern",
) -> dict[str, Any]:
    places = [place._asdict() for place, _ in zip(evidence, range(MOST_EVIDENCE), strict=False)]
    constraint: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "severity": severity,
        "description": description[:2_000],
        "confidence": round(confidence, 4),
        "source": source,
        "evidence": places,
    }
    return constraint if rule is None else {**constraint, "rule": rule}
