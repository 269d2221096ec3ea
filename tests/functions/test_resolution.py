import json
from typing import Any

import pytest

from functions.failures import NotFound, Refused
from functions.ir import IntermediateRepresentation
from functions.resolution import Question, Settled, answered, open_hole, suggested, worked_in

HOLES = [
    {"id": "type-0", "kind": "signature", "question": "What type?", "expected_type": "type", "suggestions": ["str"]},
    {"id": "head", "kind": "signature", "question": "What head?"},
    {"id": "effect-clock", "kind": "effect", "question": "Is it needed?"},
    {"id": "edge", "kind": "assertion", "question": "What of 0?", "suggestions": ["f(0, 1) == 0", "raises"]},
    {"id": "what", "kind": "intent", "question": "What for?"},
    {"id": "how", "kind": "implementation", "question": "How?"},
]
IR = IntermediateRepresentation.model_validate(
    {
        "intent": {"summary": "Do."},
        "signature": {
            "name": "f",
            "parameters": [{"name": "a", "type": "object", "description": "first"}, {"name": "b", "type": "int"}],
            "returns": "int",
            "raises": ["ValueError"],
        },
        "effects": ["clock"],
        "assertions": [{"expression": "result >= b"}],
        "examples": [{"arguments": ["1", "2"], "result": "3"}, {"arguments": ["'x'", "2"], "raises": "ValueError"}],
        "holes": HOLES,
        "metadata": {"provenance": {"/signature": {"source": "model"}, "/examples/1": {"source": "model"}}},
    }
).model_dump(mode="json")


def settled(hole: str, answer: Any) -> Settled:
    done = worked_in(IR, open_hole(IR, hole), answer)
    assert isinstance(done, Settled)
    IntermediateRepresentation.model_validate(done.ir)
    return done


def changed(done: Settled, before: dict[str, Any] = IR) -> set[str]:
    """The members that are not what they were, to the byte."""
    return {member for member in before if json.dumps(done.ir[member]) != json.dumps(before[member])}


def test_a_type_is_taken_as_it_is_and_examples_that_it_excludes_become_questions():
    done = settled("type-0", "`str`")
    assert done.ir["signature"]["parameters"][0] == {**IR["signature"]["parameters"][0], "type": "str"}
    assert done.ir["signature"]["parameters"][1:] == IR["signature"]["parameters"][1:]
    assert done.rewritten == ("/signature", "/examples/0")
    assert done.ir["examples"] == IR["examples"][1:]
    assert "f(1, 2) == 3 was an example" in done.ir["holes"][-1]["question"]
    assert done.ir["metadata"]["provenance"] == {
        "/signature": {"source": "user", "confidence": 1.0},
        "/examples/0": IR["metadata"]["provenance"]["/examples/1"],
    }
    assert changed(done) == {"signature", "examples", "holes", "metadata"}


def test_a_head_is_taken_as_it_is():
    done = settled("head", "def f(a: object, b: int = 0) -> int:")
    assert done.ir["signature"]["parameters"][1]["default"] == "0"
    assert done.ir["signature"]["parameters"][0]["description"] == "first"
    assert done.ir["signature"]["raises"] == ["ValueError"]
    assert changed(done) == {"signature", "metadata"}


@pytest.mark.parametrize(
    ("answer", "effects"),
    [("not needed", []), ("pure", []), ("network", ["network", "clock"]), ("output, clock", ["clock", "output"])],
)
def test_effects_are_taken_as_they_are(answer: str, effects: list[str]):
    done = settled("effect-clock", answer)
    assert done.ir["effects"] == effects
    assert changed(done) == {"effects"}


@pytest.mark.parametrize(
    ("answer", "member", "clause"),
    [
        ("f(0, 1) == 0", "examples", {"arguments": ["0", "1"], "result": "0", "raises": None}),
        ("f(0, 1) -> 0", "examples", {"arguments": ["0", "1"], "result": "0", "raises": None}),
        ("f(0, 1) raises KeyError", "examples", {"arguments": ["0", "1"], "result": None, "raises": "KeyError"}),
        ("result > b or b < 0", "assertions", {"expression": "result > b or b < 0", "rationale": ""}),
    ],
)
def test_a_call_or_a_predicate_is_taken_as_it_is(answer: str, member: str, clause: dict[str, Any]):
    done = settled("edge", answer)
    assert done.ir[member] == [*IR[member], clause]
    assert done.rewritten == (f"/{member}/{len(IR[member])}",)
    assert done.ir["metadata"]["provenance"][done.rewritten[0]]["source"] == "user"
    assert changed(done) == {member, "metadata"}


def test_an_answer_that_contradicts_an_example_is_refused_and_one_that_repeats_it_changes_nothing():
    with pytest.raises(Refused, match="otherwise"):
        settled("edge", "f(1, 2) == 4")
    assert changed(settled("edge", "f(1, 2) == 3")) == set()


def test_an_example_of_another_function_is_refused_with_what_is_wrong():
    with pytest.raises(Refused, match="it has 1 arguments, and f takes 2"):
        settled("edge", "f(1) == 4")


@pytest.mark.parametrize(("hole", "answer"), [("type-0", "any"), ("what", "any"), ("edge", "any"), ("edge", "No.")])
def test_a_question_that_is_left_out_changes_nothing(hole: str, answer: str):
    assert changed(settled(hole, answer)) == set()


@pytest.mark.parametrize(
    ("hole", "members"),
    [
        ("type-0", ("parameters", "returns", "raises")),
        ("effect-clock", ("effects",)),
        ("edge", ("examples", "assertions")),
        ("what", ("summary",)),
    ],
)
def test_other_words_are_for_the_model_to_make_the_part_of(hole: str, members: tuple[str, ...]):
    question = worked_in(IR, open_hole(IR, hole), "whatever is usual, please")
    assert isinstance(question, Question)
    assert question.members == members
    assert "Answer: whatever is usual, please" in question.words


def test_how_it_is_done_and_what_is_no_text_changes_nothing():
    assert changed(settled("how", "recursively")) == set()
    assert changed(settled("edge", 3)) == set()


@pytest.mark.parametrize(
    ("hole", "written", "member"),
    [
        ("what", {"summary": "Add."}, "intent"),
        ("effect-clock", {"effects": ["network"]}, "effects"),
        (
            "head",
            {
                "parameters": [{"name": "b", "type": "int"}, {"name": "a", "type": "object"}],
                "returns": "float",
                "raises": [],
            },
            "signature",
        ),
        (
            "edge",
            {"examples": [{"arguments": ["5", "6"], "result": "7"}, {"arguments": ["1", "2"], "result": "9"}],
             "assertions": []},
            "examples",
        ),
        ("edge", {"examples": [], "assertions": ["result > 0", "y > 0", "result >= b"]}, "assertions"),
    ],
)  # fmt: skip
def test_what_the_model_wrote_is_worked_in_where_it_holds(hole: str, written: dict[str, Any], member: str):
    ir = {**IR, "examples": []} if member == "signature" else IR
    done = answered(ir, open_hole(ir, hole), written)
    IntermediateRepresentation.model_validate(done.ir)
    assert done.rewritten
    assert changed(done, ir) <= {member, "metadata"}
    if member in ("examples", "assertions"):
        assert len(done.ir[member]) == len(IR[member]) + 1
    if member == "signature":
        assert [p["description"] for p in done.ir["signature"]["parameters"]] == ["", "first"]


@pytest.mark.parametrize("names", [("a", "a"), ("class", "b")])
def test_a_head_that_is_none_changes_nothing(names: tuple[str, str]):
    written = {"parameters": [{"name": name, "type": "int"} for name in names], "returns": "int", "raises": []}
    assert changed(answered(IR, open_hole(IR, "head"), written)) == set()


def test_a_suggestion_is_named_by_number_or_text():
    hole = open_hole(IR, "edge")
    assert suggested(hole, 0) == suggested(hole, "f(0, 1) == 0") == "f(0, 1) == 0"
    for wrong in (2, -1, "f(0, 1) == 1"):
        with pytest.raises(Refused):
            suggested(hole, wrong)
    with pytest.raises(NotFound):
        open_hole(IR, "none")
