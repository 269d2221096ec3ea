"""What all constraints of a set ask for together: rules of one kind intersect, each with the name of its constraint.

Pure bookkeeping: nothing here knows a grammar or a parser. The grammar (`python_grammar`) and the check without it
(`python_check`) both read this, so that they cannot mean different things.
"""

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.constraints import model
from functions.constraints.dotted import prefixes
from functions.constraints.model import StatedConstraint
from functions.constraints.signature import Signature, read_signature
from functions.constraints.syntax import ALL, WORDS
from functions.constraints.typescript_signature import read_typescript_signature

NAMING_PATTERNS = {
    "snake_case": "_{0,2}[a-z][a-z0-9]*(_[a-z0-9]+)*_{0,2}|_",
    "camelCase": "_{0,2}[a-z][a-zA-Z0-9]*",
    "PascalCase": "_?[A-Z][a-zA-Z0-9]*",
    "UPPER_CASE": "_{0,2}[A-Z][A-Z0-9]*(_[A-Z0-9]+)*",
}
ROLES = ("functions", "classes", "variables", "parameters", "constants")
DYNAMIC_IMPORTS = ("__import__", "importlib.import_module")
"""Calls that import what no import statement names: forbidden wherever imports are."""


@dataclass(frozen=True)
class NamePattern:
    """A regular expression that names of one role match as a whole, and whose constraint it is."""

    pattern: str
    constraint: str


@dataclass(frozen=True)
class AllowedImports:
    """Modules of one allow-list: an import is allowed when every list allows it."""

    modules: frozenset[str]
    constraint: str


@dataclass
class Requirements:
    """What is asked for. Mappings lead from what is forbidden or required to the name of its constraint.

    `places` are JSON pointers of the constraints by name; `factored`: lists of words are written by their beginnings.
    """

    signatures: list[tuple[Signature, str]] = field(default_factory=list)
    naming: dict[str, list[NamePattern]] = field(default_factory=dict)
    forbidden_names: dict[str, str] = field(default_factory=dict)
    forbidden_calls: dict[str, str] = field(default_factory=dict)
    forbidden_imports: dict[str, str] = field(default_factory=dict)
    allowed_imports: list[AllowedImports] = field(default_factory=list)
    forbidden_marks: dict[str, str] = field(default_factory=dict)
    annotations: str | None = None
    docstrings: str | None = None
    max_nesting: tuple[int, str] | None = None
    max_lines: tuple[int, str] | None = None
    max_line_length: tuple[int, str] | None = None
    must_call: dict[str, str] = field(default_factory=dict)
    must_contain: dict[str, str] = field(default_factory=dict)
    regexes: dict[str, str] = field(default_factory=dict)
    forbidden_regexes: dict[str, str] = field(default_factory=dict)
    schemas: list[tuple[dict[str, Any] | bool, str]] = field(default_factory=list)
    grammars: list[tuple[str, str]] = field(default_factory=list)
    examples: list[tuple[model.ExamplesRule, str]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)
    factored: bool = True

    @property
    def restricts_code(self) -> bool:
        """Whether any rule is about code, which only the grammar of a language can hold."""
        return bool(
            self.signatures
            or self.naming
            or self.forbidden_names
            or self.forbidden_calls
            or self.forbidden_imports
            or self.allowed_imports
            or self.forbidden_marks
            or self.annotations
            or self.docstrings
            or self.max_nesting
            or self.must_call
        )


def composed(
    constraints: Iterable[StatedConstraint], language: model.Language = "python", *, factored: bool = True
) -> Requirements:
    """All rules of the constraints together. Raises `ConstraintRefused` for a signature that is none."""
    requirements = Requirements(factored=factored)
    for stated in constraints:
        if stated.rule is not None:
            requirements.places[stated.name] = stated.place
            _add(requirements, stated.rule, stated.name, language)
    return requirements


def _add(into: Requirements, rule: model.Rule, name: str, language: model.Language) -> None:  # noqa: C901, PLR0912 - one case a rule
    match rule:
        case model.SignatureRule():
            read = read_typescript_signature if language == "typescript" else read_signature
            into.signatures.append((read(rule.signature, f"{into.places.get(name, '')}/rule/signature"), name))
        case model.NamingRule():
            for role in ROLES:
                if pattern := getattr(rule, role):
                    into.naming.setdefault(role, []).append(NamePattern(whole_pattern(pattern), name))
        case model.ForbidNamesRule(names=names):
            _put(into.forbidden_names, (n for n in names if "." not in n), name)
            _put(into.forbidden_calls, (n for n in names if "." in n), name)
        case model.ForbidCallsRule(calls=calls):
            _put(into.forbidden_calls, _ways_to_call(calls), name)
        case model.MustCallRule(calls=calls):
            _put(into.must_call, calls, name)
        case model.ForbidImportsRule(modules=modules):
            _put(into.forbidden_imports, modules, name)
            _put(into.forbidden_calls, _ways_to_call(DYNAMIC_IMPORTS), name)
        case model.AllowImportsRule(modules=modules):
            into.allowed_imports.append(AllowedImports(frozenset(modules), name))
            _put(into.forbidden_calls, _ways_to_call(DYNAMIC_IMPORTS), name)
        case model.ForbidSyntaxRule(syntax=syntax):
            _put(into.forbidden_marks, (mark for word in syntax for mark in ALL.get(word, ())), name)
        case model.AllowSyntaxRule(syntax=syntax):
            kept = {mark for word in syntax for mark in ALL.get(word, ())}
            marks = {mark for word_marks in WORDS.values() for mark in word_marks}
            _put(into.forbidden_marks, sorted(marks - kept), name)
        case model.RequireAnnotationsRule():
            into.annotations = into.annotations or name
        case model.RequireDocstringRule():
            into.docstrings = into.docstrings or name
        case model.MaxNestingRule(max=most):
            into.max_nesting = min(into.max_nesting or (most, name), (most, name))
        case model.MaxLinesRule(max=most):
            into.max_lines = min(into.max_lines or (most, name), (most, name))
        case model.MaxLineLengthRule(max=most):
            into.max_line_length = min(into.max_line_length or (most, name), (most, name))
        case model.MustContainRule(text=text):
            into.must_contain.setdefault(text, name)
        case model.RegexRule(pattern=pattern):
            into.regexes.setdefault(without_anchors(pattern), name)
        case model.ForbidRegexRule(pattern=pattern):
            into.forbidden_regexes.setdefault(without_anchors(pattern), name)
        case model.JsonSchemaRule(schema_=schema):
            into.schemas.append((schema, name))
        case model.LarkRule(grammar=grammar):
            into.grammars.append((grammar, name))
        case model.ExamplesRule():
            into.examples.append((rule, name))


def whole_pattern(pattern: str) -> str:
    """A naming pattern, or what the name of one stands for, without the anchors that it has in any case."""
    return NAMING_PATTERNS.get(pattern) or without_anchors(pattern)


def without_anchors(pattern: str) -> str:
    """The pattern without `^` at its beginning and `$` at its end: texts and names are matched as a whole."""
    pattern = pattern.removeprefix("^")
    if pattern.endswith("$") and not pattern.endswith(r"\$"):
        pattern = pattern[:-1]
    return pattern


def _ways_to_call(calls: Iterable[str]) -> Iterable[str]:
    """The calls, and for a built-in function also its dotted names."""
    for call in calls:
        yield call
        if "." not in call and hasattr(builtins, call):
            yield from (f"builtins.{call}", f"__builtins__.{call}")


def _put(into: dict[str, str], keys: Iterable[str], constraint: str) -> None:
    for key in keys:
        into.setdefault(key, constraint)


def guarded_prefixes(calls: Mapping[str, str]) -> dict[str, str]:
    """What is above a dotted call (`os`, `os.path` of `os.path.join`): it may be used in no way but to go below it."""
    return {prefix: constraint for call, constraint in calls.items() for prefix in prefixes(call)}
