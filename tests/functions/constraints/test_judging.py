"""Finished texts held against rules, as the validator's child processes do it: each fault with its place."""

from pathlib import Path
from typing import Any

import pytest

from functions import validation_child
from functions.constraints import artifact, examples, trial
from functions.constraints.judging import judge
from functions.constraints.model import Language
from functions.constraints.reading import read_constraint_set
from functions.constraints.requirements import Requirements, composed
from functions.constraints.trial import Reading
from functions.constraints.violations import LANGUAGE
from functions.failures import ConstraintRefused
from functions.validation_tokenizer import load_tokenizer
from functions.validation_trial import Vocabulary


@pytest.fixture(scope="module")
def vocabulary(model_path: Path) -> Vocabulary:
    return Vocabulary(load_tokenizer(model_path / "tokenizer.json"))


@pytest.fixture(autouse=True)
def _as_in_a_child(vocabulary: Vocabulary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation_child, "_vocabulary", vocabulary)


def requirements_of(*rules: dict[str, Any], language: Language = "text") -> Requirements:
    """Rules named by their types."""
    entries = [{"name": rule["type"], "severity": "error", "rule": rule} for rule in rules]
    return composed(read_constraint_set(entries, language=language).constraints, language)


def faults(text: str, *rules: dict[str, Any], language: Language = "text") -> list[tuple[str, int, int, str]]:
    (found,) = judge([text], requirements_of(*rules, language=language), language)
    return [(each.constraint, each.line, each.column, each.message) for each in found]


LONG = {"type": "max_line_length", "max": 3}
MANY = {"type": "max_lines", "max": 2}
WORDS = {"type": "regex", "pattern": "[a-z]+( [a-z]+)*"}
SCHEMA = {"type": "json_schema", "schema": {"type": "array", "items": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("text", "rule", "places"),
    [
        ("abc\nabcd\nabcde", LONG, [(2, 4), (3, 4)]),
        ("abc\nab", LONG, []),
        ("a\nb\n", MANY, []),
        ("a\nb\nc", MANY, [(3, 1)]),
        ("one two", WORDS, []),
        ("one  two", WORDS, [(1, 5)]),
        ("one ", WORDS, [(1, 5)]),
        ("a\nbé!", {"type": "regex", "pattern": "(?s)[a-zé\n]+"}, [(2, 3)]),
        ("aa", {"type": "forbid_regex", "pattern": "a+"}, [(1, 1)]),
        ("ab", {"type": "forbid_regex", "pattern": "a+"}, []),
        ("a\nb foo", {"type": "forbid_names", "names": ["foo", "bar"]}, [(2, 3)]),
        ("fo o", {"type": "forbid_names", "names": ["foo"]}, []),
        ("foo", {"type": "must_contain", "text": "oo"}, []),
        ("foo", {"type": "must_contain", "text": "ou"}, [(1, 1)]),
        ("ab", {"type": "lark", "grammar": 'start: "a" "b"'}, []),
        ("ac", {"type": "lark", "grammar": 'start: "a" "b"'}, [(1, 2)]),
    ],
)
def test_each_fault_of_a_text_has_its_place(text: str, rule: dict[str, Any], places: list[tuple[int, int]]):
    assert [fault[:3] for fault in faults(text, rule)] == [(rule["type"], *place) for place in places]


def test_a_fault_says_what_is_wrong():
    assert faults("ab1", WORDS)[0][3] == "'1' may not follow here"
    assert faults("ab!" + "c" * 100, WORDS)[0][3] == f"'!{'c' * 19}' may not follow here"
    assert faults("ab ", WORDS)[0][3] == "the text may not end here"
    assert faults("abcd", LONG)[0][3] == "the line has 4 characters; 3 are allowed"
    assert faults("a\nb\nc", MANY)[0][3] == "the text has 3 lines; 2 are allowed"


def test_faults_come_in_the_order_of_the_text():
    found = faults("abcd\nfoo\nx", MANY, {"type": "forbid_names", "names": ["foo"]}, LONG)
    assert [fault[:2] for fault in found] == [("max_line_length", 1), ("forbid_names", 2), ("max_lines", 3)]


def test_each_text_is_judged_by_itself():
    found = judge(["ok", "no!", "ok"], requirements_of(WORDS), "text")
    assert [len(each) for each in found] == [0, 1, 0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[1, 2]", None),
        ('[1, "2"]', ("json_schema", 1, 1, "$[1]: '2' is not of type 'integer'")),
        ("[1,\n 2", (LANGUAGE, 2, 3, "not JSON: Expecting ',' delimiter")),
        ("[NaN]", (LANGUAGE, 1, 1, "not JSON: JSON has no NaN")),
        ("[" * 200_000, (LANGUAGE, 1, 1, "not JSON that can be read: it is nested too deeply")),
    ],
)
@pytest.mark.parametrize("language", ["json", "text"])
def test_a_document_is_json_that_the_schema_allows(language: Language, text: str, fault: Any):
    assert faults(text, SCHEMA, language=language) == ([fault] if fault else [])


def test_of_a_documents_faults_the_first_are_told():
    assert len(faults(str(["x"] * 30).replace("'", '"'), SCHEMA)) == 20


def test_text_need_be_no_json_and_json_must_be_without_a_schema_too():
    assert faults("{", LONG) == []
    assert [fault[0] for fault in faults("{", LONG, language="json")] == [LANGUAGE]


def test_code_is_judged_by_its_syntax_and_as_a_text():
    code = "def f():\n    return foo\n"
    assert faults(code, {"type": "forbid_names", "names": ["foo"]}, MANY, language="python") == [
        ("forbid_names", 2, 12, "the name foo is forbidden")
    ]
    assert [fault[0] for fault in faults(code, {"type": "forbid_names", "names": ["f"]}, language="python")] == [
        "forbid_names"
    ]
    assert [fault[:2] for fault in faults(code, LONG, language="python")] == [
        ("max_line_length", 1),
        ("max_line_length", 2),
    ]


def test_how_far_an_artifact_reads_is_counted_in_characters():
    assert trial.read_texts("regex", "é+x", ["ééx", "éé", "ééyy", "x"]) == [
        Reading(accepted=True, end=3),
        Reading(accepted=False, end=2),
        Reading(accepted=False, end=2),
        Reading(accepted=False, end=0),
    ]
    assert trial.read_texts("regex", "hello worl", ["hello world"]) == [Reading(accepted=False, end=10)]
    assert trial.read_texts("regex", "(", []) == []
    with pytest.raises(ConstraintRefused):
        trial.read_texts("grammar", "start: (", ["x"])


def test_patterns_that_exclude_each_other_match_nothing():
    assert trial.empty_intersections([["[a-m]+", "[k-z]+"], ["[a-m]+", "[n-z]+"], [r"[^\s\S]"]]) == [False, True, True]
    with pytest.raises(ConstraintRefused):
        trial.empty_intersections([["("]])


def test_an_example_is_read_as_it_is_written_and_as_python_would_write_it():
    rules = requirements_of({"type": "forbid_calls", "calls": ["eval"]}, language="python")
    made = artifact.artifact(rules, "python", is_code=True).constraint
    assert made is not None
    for text, is_well, is_read in (
        ("x=1", True, True),
        ("\nx = 1\n\n", True, True),
        ("x = 1 +", False, False),
        ("x = eval(y)", False, False),
    ):
        violations, readings = examples.judge_example(text, rules, "python", (made.kind, made.source))
        assert (not violations, any(reading.accepted for reading in readings)) == (is_well, is_read), text
    assert examples.judge_example("x = eval(y)", rules, "python", None)[1] == []
    assert examples._spellings("\nx=1\n", "python") == ["\nx=1\n", "x=1", "x = 1"]
    assert examples._spellings("x=1", "text") == ["x=1"]
