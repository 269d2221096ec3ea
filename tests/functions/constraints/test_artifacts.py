"""What a set of rules comes down to: what is enforced while the text is written, in which form, and what afterwards."""

import json
from typing import Any

import pytest

from functions.constraints.artifact import artifact, base_of, formats, language_of_text, regex_constraint
from functions.constraints.conflicts import contradictions
from functions.constraints.model import Language
from functions.constraints.reading import read_constraint_set
from functions.constraints.report import report
from functions.constraints.requirements import Requirements, composed, whole_pattern, without_anchors
from functions.constraints.word_patterns import slashed
from functions.failures import ConstraintRefused
from functions.generation import Constraint

NAMES = {"type": "forbid_names", "names": ["foo"]}
CALLS = {"type": "forbid_calls", "calls": ["eval"]}
MUST = {"type": "must_call", "calls": ["abs"]}
REGEX = {"type": "regex", "pattern": "[a-z]+"}
NOT = {"type": "forbid_regex", "pattern": "a/b"}
SCHEMA = {"type": "json_schema", "schema": {"type": "integer"}}
LARK = {"type": "lark", "grammar": 'start: "a"'}
LINES = {"type": "max_lines", "max": 3}
SHORT = {"type": "max_line_length", "max": 3}
DOTLESS = {"type": "forbid_syntax", "syntax": ["Attribute"]}
HEAD = {"type": "signature", "signature": "f(a: int, b)"}


def of(*rules: dict[str, Any], language: Language = "python") -> Requirements:
    """Rules named by their types, a second of one type with a number."""
    entries = [{"name": rule["type"], "severity": "error", "rule": rule} for rule in rules]
    return composed(read_constraint_set(entries, language=language).constraints, language)


@pytest.mark.parametrize(
    ("rules", "language", "is_code", "base", "text"),
    [
        ([LARK, SCHEMA, CALLS, REGEX], "python", True, "lark", "python"),
        ([SCHEMA, CALLS, REGEX], "python", True, "schema", "json"),
        ([CALLS, REGEX], "python", False, "code", "python"),
        ([LINES], "typescript", True, "code", "typescript"),
        ([LINES], "python", False, "nothing", "text"),
        ([REGEX, LINES], "python", False, "regex", "text"),
        ([NOT], "text", False, "regex", "text"),
        ([NAMES], "text", False, "regex", "text"),
        ([NAMES], "json", False, "nothing", "json"),
        ([MUST, LARK], "text", False, "lark", "text"),
        ([], "json", True, "nothing", "json"),
    ],
)
def test_one_kind_of_rule_holds_while_the_text_is_written(
    rules: list[dict[str, Any]],
    language: Language,
    is_code: bool,  # noqa: FBT001
    base: Any,
    text: Language,
):
    requirements = of(*rules, language=language)
    assert base_of(requirements, language, is_code=is_code) == base
    found = language_of_text(requirements, language, base, is_code=is_code)
    assert found == (language if requirements.restricts_code and base != "schema" else text)


def test_each_base_has_its_form():
    assert artifact(of(LARK), "text", is_code=False).constraint == Constraint(kind="grammar", source='start: "a"')
    schema = artifact(of(SCHEMA, {**SCHEMA, "schema": {"minimum": 3}}), "text", is_code=False).constraint
    assert schema is not None
    assert json.loads(schema.source) == {"type": "integer", "minimum": 3}
    code = artifact(of(HEAD), "python", is_code=False).constraint
    assert code is not None
    assert "def f(a: int, b)" in code.source
    assert artifact(of(REGEX), "text", is_code=False).constraint == Constraint(kind="regex", source="[a-z]+")
    assert artifact(of(LINES), "text", is_code=False).constraint is None
    assert artifact(of({**SCHEMA, "schema": True}), "text", is_code=False).base == "schema"
    with pytest.raises(ConstraintRefused, match="nothing satisfies it"):
        artifact(of(SCHEMA, {**SCHEMA, "schema": {"type": "string"}}), "text", is_code=False)


@pytest.mark.parametrize(
    ("rules", "terminal"),
    [
        ([REGEX, {**REGEX, "pattern": "a/b"}], r"/[a-z]+/ & /a\/b/"),
        ([REGEX, NOT], r"/[a-z]+/ & ~/a\/b/"),
        ([NOT], r"/(?s:.+)/ & ~/a\/b/"),
        ([REGEX, NAMES], "/[a-z]+/ & ~/(?s:.*)foo(?s:.*)/"),
    ],
)
def test_patterns_intersect_in_one_terminal(rules: list[dict[str, Any]], terminal: str):
    found = regex_constraint(of(*rules, language="text"))
    assert found == Constraint(kind="grammar", source=f"start: TEXT\nTEXT: {terminal}\n")


def test_an_artifact_is_given_in_each_form_that_says_the_same():
    assert formats(None) == {}
    assert formats(Constraint(kind="regex", source="a/b")) == {
        "regex": "a/b", "grammar": "start: TEXT\nTEXT: /a\\/b/\n"
    }  # fmt: skip
    assert formats(Constraint(kind="grammar", source="start: X")) == {"grammar": "start: X"}
    assert formats(Constraint(kind="json_schema", source='{"type": "null"}')) == {
        "json-schema": {"type": "null"}, "grammar": 'start: %json {"type": "null"}'
    }  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "written"), [("a/b", r"a\/b"), (r"a\/b", r"a\/b"), (r"a\\/b", r"a\\\/b"), ("a\nb", r"a\nb")]
)
def test_a_pattern_between_slashes(pattern: str, written: str):
    assert slashed(pattern) == written


@pytest.mark.parametrize(
    ("pattern", "whole"), [("^a$", "a"), (r"a\$", r"a\$"), ("a^", "a^"), ("^^a", "^a"), ("a$$", "a$"), ("", "")]
)
def test_anchors_that_a_whole_text_has_anyway(pattern: str, whole: str):
    assert without_anchors(pattern) == whole
    assert whole_pattern(pattern) == whole
    assert whole_pattern("UPPER_CASE") != "UPPER_CASE"


def test_the_first_of_two_equal_rules_is_named_and_the_smaller_of_two_limits_holds():
    together = of(NAMES, NAMES, LINES, {"type": "max_lines", "max": 2}, {"type": "max_lines", "max": 5})
    assert together.forbidden_names == {"foo": "forbid_names"}
    assert together.max_lines == (2, "max_lines (2)")
    sizes = [{"type": kind, "max": most} for kind in ("max_nesting", "max_line_length") for most in (4, 3, 4)]
    together = of(*sizes, {"type": "require_docstring"}, {"type": "require_docstring"})
    assert (together.max_nesting, together.max_line_length) == ((3, "max_nesting (2)"), (3, "max_line_length (2)"))
    assert together.docstrings == "require_docstring"
    assert of({"type": "require_annotations"}, {"type": "require_annotations"}).annotations == "require_annotations"


def test_rules_are_read_into_what_forbids_and_what_requires():
    together = of({**NAMES, "names": ["a", "b.c"]}, CALLS, MUST, {"type": "must_contain", "text": "x"})
    assert together.forbidden_names == {"a": "forbid_names"}
    assert list(together.forbidden_calls) == ["b.c", "eval", "builtins.eval", "__builtins__.eval"]
    assert (together.must_call, together.must_contain) == ({"abs": "must_call"}, {"x": "must_contain"})
    imports = of({"type": "forbid_imports", "modules": ["m"]})
    assert imports.forbidden_imports == {"m": "forbid_imports"}
    assert set(imports.forbidden_calls) == {
        *("__import__", "builtins.__import__", "__builtins__.__import__", "importlib.import_module")
    }
    assert set(of({"type": "allow_imports", "modules": []}).forbidden_calls) == set(imports.forbidden_calls)
    naming = of({"type": "naming", "functions": "^a$", "classes": "B"}).naming
    assert {role: [each.pattern for each in patterns] for role, patterns in naming.items()} == {
        "functions": ["a"], "classes": ["B"]
    }  # fmt: skip
    assert of({"type": "forbid_syntax", "syntax": ["yield", "Yield"]}).forbidden_marks.keys() == {"yield", "yield_from"}
    allowed = of({"type": "allow_syntax", "syntax": ["yield"]}).forbidden_marks
    assert not allowed.keys() & {"yield", "yield_from"}
    assert {"while", "class", "await"} <= allowed.keys()
    assert of(NAMES).places == {"forbid_names": "/0"}


@pytest.mark.parametrize(
    ("rule", "base", "language", "enforced", "word"),
    [
        (None, "code", "python", "prompt", "words"),
        ({"type": "examples"}, "nothing", "text", "decoding", "examples"),
        *((rule, "code", "python", "after", "no grammar") for rule in (MUST, LINES)),
        *((rule, "code", "python", "decoding", "grammar of the language hold") for rule in (CALLS, NAMES, HEAD)),
        (CALLS, "regex", "python", "after", "regular expressions is enforced"),
        (NAMES, "regex", "text", "decoding", "regular expressions hold"),
        (NAMES, "nothing", "json", "after", "nothing is enforced"),
        ({"type": "max_nesting", "max": 1}, "code", "python", "decoding", "grammar of the language hold"),
        ({"type": "max_nesting", "max": 1}, "code", "typescript", "after", "of this language"),
        ({"type": "require_docstring"}, "code", "typescript", "after", "of this language"),
        ({"type": "require_annotations"}, "code", "typescript", "decoding", "grammar of the language hold"),
        *((rule, "regex", "text", "decoding", "regular expressions hold") for rule in (REGEX, NOT)),
        (REGEX, "code", "python", "after", "grammar of the language is enforced"),
        (SCHEMA, "schema", "text", "decoding", "JSON schema hold"),
        (SCHEMA, "lark", "text", "after", "given grammar is enforced"),
        (LARK, "lark", "text", "decoding", "given grammar hold"),
    ],
)
def test_each_constraint_is_told_where_it_is_enforced(
    rule: Any, base: Any, language: Language, enforced: str, word: str
):
    entry = {"name": "it", "severity": "error", "confidence": 0.5} | ({"rule": rule} if rule else {})
    stated = read_constraint_set([entry], language=language).constraints
    (row,) = report(stated, {}, base, language)
    assert (row.name, row.enforced, row.inferred, row.confidence) == ("it", enforced, False, 0.5)
    assert word in row.why
    (dropped,) = report(stated, {"it": "it gave way"}, base, language)
    assert (dropped.enforced, dropped.why) == ("dropped", "it gave way")


@pytest.mark.parametrize(
    ("rules", "proof"),
    [
        ([SCHEMA, HEAD], {"json_schema", "signature"}),
        ([SCHEMA, MUST], {"json_schema", "must_call"}),
        ([HEAD, {**HEAD, "signature": "f(a)"}], {"signature", "signature (2)"}),
        ([HEAD, HEAD], None),
        ([HEAD, {"type": "require_annotations"}], {"signature", "require_annotations"}),
        ([{**HEAD, "signature": "f(a: int) -> int"}, {"type": "require_annotations"}], None),
        ([HEAD, {"type": "forbid_names", "names": ["b"]}], {"signature", "forbid_names"}),
        ([HEAD, {"type": "naming", "functions": "[A-Z]+"}], {"signature", "naming"}),
        ([HEAD, {"type": "forbid_syntax", "syntax": ["pass"]}], None),
        ([MUST, {"type": "forbid_calls", "calls": ["abs"]}], {"must_call", "forbid_calls"}),
        ([{**MUST, "calls": ["a.b"]}, {"type": "forbid_calls", "calls": ["a"]}], {"must_call", "forbid_calls"}),
        ([{**MUST, "calls": ["a"]}, {"type": "forbid_calls", "calls": ["a.b"]}], {"must_call", "forbid_calls"}),
        ([{**MUST, "calls": ["a.c"]}, {"type": "forbid_calls", "calls": ["a.b"]}], None),
        ([{**MUST, "calls": ["a.b"]}, {"type": "forbid_names", "names": ["b"]}], {"must_call", "forbid_names"}),
        ([MUST, {"type": "forbid_syntax", "syntax": ["Call"]}], {"must_call", "forbid_syntax"}),
        ([{**MUST, "calls": ["a.b"]}, DOTLESS], {"must_call", "forbid_syntax"}),
        ([MUST, DOTLESS], None),
        ([{**MUST, "calls": ["m.x"]}, {"type": "forbid_imports", "modules": ["m"]}], {"must_call", "forbid_imports"}),
        ([{**MUST, "calls": ["m.x"]}, {"type": "forbid_imports", "modules": ["m.x"]}], {"must_call", "forbid_imports"}),
        ([{**MUST, "calls": ["m"]}, {"type": "forbid_imports", "modules": ["m"]}], None),
        ([{**MUST, "calls": ["a.x"]}, {"type": "forbid_imports", "modules": ["a"]}, HEAD], None),
        ([{**MUST, "calls": ["re.sub"]}, {"type": "allow_imports", "modules": ["os"]}], {"must_call", "allow_imports"}),
        ([{**MUST, "calls": ["re.sub"]}, {"type": "allow_imports", "modules": ["re"]}], None),
        ([{**MUST, "calls": ["os.path.join"]}, {"type": "allow_imports", "modules": ["os.path"]}], None),
        ([{**MUST, "calls": ["mine.x"]}, {"type": "allow_imports", "modules": ["os"]}], None),
        ([{"type": "must_contain", "text": "ab\nabcd"}, SHORT], {"must_contain", "max_line_length"}),
        ([{"type": "must_contain", "text": "ab\nabc"}, SHORT], None),
        ([{"type": "must_contain", "text": "ab"}, {"type": "must_contain", "text": "b"}], None),
    ],
)  # fmt: skip
def test_what_excludes_each_other_is_proved_by_those_alone(rules: list[dict[str, Any]], proof: set[str] | None):
    found = list(contradictions(of(*rules)))
    assert [set(each.constraints) for each in found[:1]] == ([proof] if proof else [])
    assert all(each.why for each in found)
