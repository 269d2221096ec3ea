"""What clients send as a constraint set: rules are read strictly, what describes them as far as it goes."""

import math
from typing import Any

import pytest

from functions.constraints import reading
from functions.constraints.model import Evidence, Language, StatedConstraint
from functions.constraints.reading import read_constraint_set
from functions.failures import ConstraintRefused

NAMES = {"type": "forbid_names", "names": ["foo"]}


def one(language: Language = "python", **fields: Any) -> tuple[StatedConstraint, list[str]]:
    """The only constraint of a set, and the warnings."""
    read = read_constraint_set([{"name": "it", "severity": "error", **fields}], language=language)
    (stated,) = read.constraints
    return stated, list(read.warnings)


def rules(language: Language = "python", **fields: Any) -> list[dict[str, Any]]:
    read = read_constraint_set([{"severity": "error", **fields}], language=language)
    return [stated.rule.model_dump(mode="json") for stated in read.constraints if stated.rule is not None]


@pytest.mark.parametrize(
    ("given", "read", "is_plain"),
    [
        *((0, 0.0, True), (0.25, 0.25, True), (1, 1.0, True), (90, 0.9, False), (100, 1.0, False), (2.0, 0.02, False)),
        *((1.5, 1.0, False), (101, 1.0, False), (-0.5, 0.0, False), (-3, 0.0, False), ("high", 1.0, False)),
        *((True, 1.0, False), (math.nan, 1.0, False), (math.inf, 1.0, False), (None, 1.0, False)),
    ],
)
def test_confidence_is_from_0_to_1_or_else_percent_or_else_told(given: Any, read: float, is_plain: bool):  # noqa: FBT001
    stated, warnings = one(confidence=given, rule=NAMES)
    assert stated.confidence == read
    assert isinstance(stated.confidence, float)
    assert bool(warnings) != is_plain
    assert all(warning.startswith(f"it: confidence {str(given)!r}") or f" {given} " in warning for warning in warnings)


@pytest.mark.parametrize(
    ("given", "read", "is_plain"),
    [
        *((3, 3, True), (-3, -3, True), (2**40, 2**31, True), (-(2**40), -(2**31), True), ("low", -1, True)),
        *(("medium", 0, True), ("Normal", 0, True), ("high", 1, True), ("CRITICAL", 2, True)),
        *((True, 0, False), (1.5, 0, False), ("often", 0, False), (None, 0, False)),
    ],
)
def test_priority_is_a_whole_number_or_a_word(given: Any, read: int, is_plain: bool):  # noqa: FBT001
    stated, warnings = one(priority=given, rule=NAMES)
    assert (stated.priority, bool(warnings)) == (read, not is_plain)


@pytest.mark.parametrize(
    ("field", "given", "read", "is_plain"),
    [
        *(("kind", "Type-Safety", "type_safety", True), ("kind", "weird", "syntactic", False)),
        *(("kind", None, "syntactic", True), ("severity", "HINT", "hint", True), ("severity", "loud", "error", False)),
        *(("severity", None, "error", False), ("source", "test mining", "Test_Mining", True)),
        *(("source", 3, "User_Defined", False), ("source", None, "User_Defined", True)),
    ],
)
def test_words_are_read_in_any_spelling(field: str, given: Any, read: str, is_plain: bool):  # noqa: FBT001
    stated, warnings = one(**{field: given}, rule=NAMES)
    assert (getattr(stated, field), bool(warnings)) == (read, not is_plain)


def test_evidence_has_a_file_and_a_line():
    stated, warnings = one(evidence=[{"file": "a.py", "line": 3}, {"file": "b.py"}, "c.py"], rule=NAMES)
    assert stated.evidence == (Evidence(file="a.py", line=3),)
    assert len(warnings) == 2
    assert one(evidence="a.py:3", rule=NAMES)[0].evidence == ()


def test_what_stands_around_the_constraints_is_read_or_told():
    read = read_constraint_set({"name": 3, "constraints": [], "language": "python", "zeal": 1, "colour": 2})
    assert read.name == ""
    assert [warning.split("'")[2] for warning in read.warnings] == ["colour", "zeal"]
    assert read_constraint_set({"name": "mine", "constraints": []}).name == "mine"
    many = read_constraint_set([{"name": f"c{n}", "rule": NAMES} for n in range(reading._MOST_WARNINGS + 5)])
    assert len(many.constraints) == reading._MOST_WARNINGS + 5
    assert len(many.warnings) == reading._MOST_WARNINGS


def test_names_tell_constraints_apart():
    entries = [{"name": "a", "rule": NAMES}, {"name": "", "rule": NAMES}, {"name": 3}, {"name": "a"}, {"name": "a"}]
    names = [stated.name for stated in read_constraint_set(entries).constraints]
    assert names == ["a", "constraint-2", "constraint-3", "a (2)", "a (3)"]


@pytest.mark.parametrize(
    ("language", "fields", "read"),
    [
        ("python", {"must_use": "os.path.join"}, {"type": "must_call", "calls": ["os.path.join"]}),
        ("typescript", {"must_use": ["map"]}, {"type": "must_call", "calls": ["map"]}),
        ("python", {"must_use": ["a + b"]}, {"type": "must_contain", "text": "a + b"}),
        ("text", {"must_use": ["map"]}, {"type": "must_contain", "text": "map"}),
        ("json", {"must_use": ["map"]}, {"type": "must_contain", "text": "map"}),
        ("python", {"must_not_use": "eval()"}, {"type": "forbid_calls", "calls": ["eval"]}),
        ("python", {"must_not_use": ["os.system"]}, {"type": "forbid_calls", "calls": ["os.system"]}),
        ("python", {"must_not_use": ["os.system()"]}, {"type": "forbid_calls", "calls": ["os.system"]}),
        ("python", {"must_not_use": ["foo"]}, {"type": "forbid_names", "names": ["foo"]}),
        ("text", {"pattern": "[a-z]+"}, {"type": "regex", "pattern": "[a-z]+"}),
        ("text", {"examples": {"good": ["a"]}}, {"type": "examples", "good": ["a"], "bad": []}),
        ("text", {"must_use": None, "must_not_use": [], "pattern": "", "rule": NAMES}, NAMES),
    ],
)
def test_fields_of_an_older_form_stand_for_rules(language: Language, fields: dict[str, Any], read: dict[str, Any]):
    assert rules(language, **fields) == [read]


def test_a_constraint_of_several_rules_is_several_with_all_that_describes_it():
    entry = {"name": "it", "severity": "hint", "priority": 2, "must_not_use": ["foo"], "rule": NAMES, "pattern": "a"}
    read = read_constraint_set({"constraints": [entry]}, pointer="/set").constraints
    assert [stated.name for stated in read] == ["it", "it (2)", "it (3)"]
    assert [stated.rule.type for stated in read if stated.rule] == ["forbid_names", "regex", "forbid_names"]
    assert {(stated.severity, stated.priority, stated.place) for stated in read} == {("hint", 2, "/set/constraints/0")}
    assert not any(stated.inferred for stated in read)


def test_a_description_is_a_rule_where_none_is_given_and_is_trusted_less():
    inferred, _ = one(description="Do not import pickle.")
    assert inferred.inferred
    assert inferred.rule is not None
    assert inferred.confidence == 0.9
    assert one(description="Do not import pickle.", confidence=0.3)[0].confidence == 0.3
    given, _ = one(description="Do not import pickle.", rule=NAMES)
    assert (given.inferred, given.confidence, given.description) == (False, 1.0, "Do not import pickle.")
    prose, _ = one(description=["be", "kind"])
    assert (prose.rule, prose.description) == (None, "['be', 'kind']")


@pytest.mark.parametrize(
    ("data", "pointer"),
    [
        *((3, "/at"), ({}, "/at/constraints"), ({"constraints": {}}, "/at/constraints"), (["x"], "/at/0")),
        ([{"rule": NAMES}, {"rule": {}}], "/at/1/rule"),
        ({"constraints": [{"rule": {"type": "forbid_names", "names": [1]}}]}, "/at/constraints/0/rule/names/0"),
        ([{"rule": {**NAMES, "colour": 1}}], "/at/0/rule/colour"),
        *(([{"must_use": 3}], "/at/0/must_use"), ([{"must_use": ["a", ""]}], "/at/0/must_use")),
        *(([{"must_not_use": [3]}], "/at/0/must_not_use"), ([{"must_not_use": ["a b"]}], "/at/0/must_not_use/names")),
        *(([{"examples": ["a"]}], "/at/0/examples"), ([{"examples": {"good": 3}}], "/at/0/examples/good")),
        ([{"examples": {"best": ["a"]}}], "/at/0/examples/best"),
        ([{"rule": {"type": "nonsense"}}], "/at/0/rule/type"),
        ([{"rule": {"type": "naming", "functions": "("}}], "/at/0/rule/functions"),
        ([{"rule": {"type": "naming", "classes": "a{1000000}"}}], "/at/0/rule/classes"),
        ([{"rule": {"type": "forbid_imports", "modules": ["a", "b c"]}}], "/at/0/rule/modules"),
        ([{"rule": {"type": "forbid_calls", "calls": ["a", "b-c"]}}], "/at/0/rule/calls"),
        ([{"rule": {"type": "forbid_syntax", "syntax": ["while", "zork"]}}], "/at/0/rule/syntax"),
        ([{"rule": {"type": "allow_syntax", "syntax": ["Name"]}}], "/at/0/rule/syntax"),
        ([{"rule": {"type": "must_contain", "text": "a" * 100_001}}], "/at/0/rule/text"),
        ([{"rule": 3}], "/at/0/rule"),
        ([{"pattern": "a{1000000}"}], "/at/0/pattern/pattern"),
    ],
)
def test_a_rule_that_is_not_understood_is_refused_with_its_place(data: Any, pointer: str):
    with pytest.raises(ConstraintRefused) as refused:
        read_constraint_set(data, pointer="/at")
    assert refused.value.pointer == pointer
    assert not refused.value.reason.startswith("Value error")


def test_no_more_constraints_than_can_be_read(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "MAX_CONSTRAINTS", 2)
    assert len(read_constraint_set([{}, {}]).constraints) == 2
    with pytest.raises(ConstraintRefused, match="at most 2"):
        read_constraint_set([{}, {}, {}])
