"""Changes to a stored specification: what is not meant stays as it is, and whose word a clause is goes with it."""

import copy
from typing import Any

import pytest

from functions.ir import Assertion, Effect, Example, Hole, Parameter, Provenance, Signature
from functions.ir_edits import (
    call_of,
    line_of,
    misfit,
    with_added,
    with_effects,
    with_holes,
    with_value,
    without_examples,
)

MODEL = Provenance(source="model", confidence=0.5)
USER = Provenance(source="user")
ADD = Signature(
    name="add", parameters=[Parameter(name="a", type="int"), Parameter(name="b", type="int")], returns="int"
)


def stored() -> dict[str, Any]:
    """With a member that this version does not know."""
    return {
        "intent": {"summary": "add", "mood": "later"},
        "signature": {"name": "add", "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]},
        "examples": [{"arguments": [str(i), "1"], "result": str(i + 1)} for i in range(4)],
        "metadata": {
            "language": "python",
            "provenance": {
                "/intent": MODEL.model_dump(),
                "/examples/1": MODEL.model_dump(),
                "/examples/3": USER.model_dump(),
            },
        },
    }


@pytest.mark.parametrize(
    ("pointer", "clause"),
    [
        ("/intent/summary", "/intent"),
        ("/signature/parameters/1/type", "/signature"),
        ("/examples/2/result", "/examples/2"),
    ],
)
def test_a_value_is_replaced_at_its_place_and_its_clause_is_whose_word_it_now_is(pointer: str, clause: str):
    before = stored()
    changed = with_value(before, pointer, "new", USER)
    assert before == stored()
    expected = stored()
    expected["metadata"]["provenance"][clause] = USER.model_dump()
    at: Any = expected
    *way, last = pointer.split("/")[1:]
    for step in way:
        at = at[int(step) if isinstance(at, list) else step]
    at[last] = "new"
    assert changed == expected
    assert with_value(before, pointer, "new")["metadata"] == before["metadata"], "nobody has said it anew"


def test_an_item_of_a_list_is_replaced_whole():
    changed = with_value({"examples": ["a", "b"]}, "/examples/1", "c", USER)
    assert changed == {"examples": ["a", "c"], "metadata": {"provenance": {"/examples/1": USER.model_dump()}}}


def test_clauses_are_added_behind_the_others_and_somebody_has_said_them():
    before = stored()
    example, assertion = Example(arguments=["7", "1"], result="8"), Assertion(expression="result > a")
    changed = with_added(before, examples=[example, example], assertions=[assertion], said_by=USER)
    assert before == stored()
    assert changed["examples"] == [*before["examples"], example.model_dump(), example.model_dump()]
    assert changed["assertions"] == [assertion.model_dump()]
    said = {clause: USER.model_dump() for clause in ("/examples/4", "/examples/5", "/assertions/0")}
    assert changed["metadata"]["provenance"] == before["metadata"]["provenance"] | said
    assert with_added(before, said_by=USER) == before


def test_holes_are_added_under_ids_that_are_free():
    def hole(name: str) -> Hole:
        return Hole(id=name, kind="intent", question="?")

    assert [each["id"] for each in with_holes({}, [hole("h"), hole("h"), hole("h"), hole("g")])["holes"]] == [
        "h", "h-2", "h-3", "g"
    ]  # fmt: skip
    before = {"holes": [hole("h-2").model_dump(), hole("h").model_dump()], "more": 1}
    changed = with_holes(before, [hole("h")])
    assert len(before["holes"]) == 2
    assert changed == {**before, "holes": [*before["holes"], hole("h-3").model_dump(mode="json")]}


def test_examples_that_stay_keep_what_is_known_of_them():
    before = stored()
    changed = without_examples(before, {0, 1})
    assert before == stored()
    assert [each["arguments"][0] for each in changed["examples"]] == ["2", "3"]
    assert changed["metadata"]["provenance"] == {"/intent": MODEL.model_dump(), "/examples/1": USER.model_dump()}
    nothing_known = copy.deepcopy(before)
    nothing_known["metadata"]["provenance"] = {"/examples/1": MODEL.model_dump()}
    assert without_examples(nothing_known, [1])["metadata"] == {"language": "python"}
    assert without_examples({"examples": ["a", "b"]}, [0]) == {"examples": ["b"]}


def test_effects_stand_in_the_order_in_which_effects_are_listed():
    effects: list[Effect] = ["output", "network", "filesystem", "network"]
    assert with_effects({"effects": ["clock"]}, effects) == {"effects": ["filesystem", "network", "output"]}
    assert with_effects({"effects": ["clock"]}, []) == {"effects": []}


@pytest.mark.parametrize(
    ("example", "fault"),
    [
        (Example(arguments=["1", "2"], result="3"), None),
        (Example(arguments=["1", "2"], raises="ValueError"), None),
        (Example(arguments=["1", "f(2)"], result="g()"), None),
        (Example(arguments=["1"], result="3"), "it has 1 arguments, and add takes 2"),
        (Example(arguments=["1", "2", "3"], result="3"), "it has 3 arguments, and add takes 2"),
        (Example(arguments=["1", "'2'"], result="3"), "'2' is not of type int"),
        (Example(arguments=["f()", "'2'"], result="3"), "'2' is not of type int"),
        (Example(arguments=["1", "2"], result="'3'"), "'3' is not of type int"),
    ],
)
def test_an_example_is_of_a_function_by_the_number_and_the_types_of_what_it_names(example: Example, fault: str | None):
    assert misfit(example, ADD) == fault


@pytest.mark.parametrize(
    ("example", "line"),
    [
        (Example(arguments=["1", "2"], result="3"), "add(1, 2) == 3"),
        (Example(arguments=["1", "2"]), "add(1, 2) == None"),
        (Example(arguments=["0", "x"], raises="ValueError"), "add(0, x) raises ValueError"),
    ],
)
def test_an_example_in_one_line(example: Example, line: str):
    assert line_of(ADD, example) == line
    assert line.startswith(call_of(ADD, example))
