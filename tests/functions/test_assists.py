import json
from typing import Any

import pytest

from functions.assists import Assist, applied, assists
from functions.ir import IntermediateRepresentation
from functions.sandbox import ProcessSandbox
from infra.settings import Settings


@pytest.fixture
def sandbox(settings: Settings) -> ProcessSandbox:
    return ProcessSandbox(settings.sandbox)


def ir_of(**members: Any) -> dict[str, Any]:
    signature = {
        "name": "f",
        "parameters": [{"name": "xs", "type": "list[int]"}, {"name": "n", "type": "int"}],
        "returns": "int",
    }
    whole = {"intent": {"summary": "Do."}, "signature": signature, **members}
    return IntermediateRepresentation.model_validate(whole).model_dump(mode="json")


def example(*arguments: str, **outcome: str) -> dict[str, Any]:
    return {"arguments": list(arguments), **outcome}


COVERED = [
    example("[1]", "2", result="2"),
    example("[]", "2", result="0"),
    example("[1]", "0", result="0"),
    example("[1]", "-1", result="-1"),
]


def of_kind(found: list[Assist], kind: str) -> list[Assist]:
    return [assist for assist in found if assist.kind == kind]


def differing(old: dict[str, Any], new: dict[str, Any]) -> set[str]:
    return {member for member in old if json.dumps(old[member]) != json.dumps(new[member])}


async def test_a_specification_that_lacks_nothing_gets_no_assist(sandbox: ProcessSandbox):
    assert await assists(ir_of(examples=COVERED, assertions=[{"expression": "result <= 2"}]), sandbox) == []
    assert await assists(None, sandbox) == []


async def test_edges_without_an_example_are_asked_for(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED[:1])
    found = await assists(ir, sandbox)
    assert [assist.text.split(": ")[1] for assist in found] == [
        "what should f([], 2) give?",
        "what should f([1], 0) give?",
        "what should f([1], -1) give?",
    ]
    changed = applied(ir, found[0])
    assert differing(ir, changed) == {"holes"}
    assert changed["holes"][0]["question"] == "What should f([], 2) give?"
    assert [assist.about for assist in await assists(changed, sandbox)] == ["/signature/parameters/1"] * 2


async def test_none_is_an_edge_of_what_may_be_none_and_raises_are_suggested(sandbox: ProcessSandbox):
    signature = {
        "name": "f",
        "parameters": [{"name": "a", "type": "str | None"}],
        "returns": "str",
        "raises": ["ValueError"],
    }
    found = await assists(ir_of(signature=signature), sandbox)
    edges = of_kind(found, "edge_case")
    assert [edge.action.ask[0].suggestions for edge in edges] == [
        ["f('') raises ValueError"],
        ["f(None) raises ValueError"],
    ]
    (raised,) = of_kind(found, "untested_raise")
    assert raised.action.ask[0].suggestions == ["f('') raises ValueError", "f(None) raises ValueError"]


async def test_examples_that_contradict_each_other_become_one_question(sandbox: ProcessSandbox):
    ir = ir_of(examples=[*COVERED, example("[1,]", "2", result="5"), example("[ ]", "2", result="0")])
    found = await assists(ir, sandbox)
    (contradiction,) = of_kind(found, "contradiction")
    changed = applied(ir, contradiction)
    assert changed["holes"][0]["suggestions"] == ["f([1], 2) == 2", "f([1,], 2) == 5"]
    assert len(changed["examples"]) == len(ir["examples"]) - 2
    (repetition,) = of_kind(found, "repetition")
    assert applied(ir, repetition)["examples"] == ir["examples"][:-1]


async def test_an_example_that_does_not_fit_becomes_a_question(sandbox: ProcessSandbox):
    ir = ir_of(examples=[*COVERED, example("'x'", "1", result="1"), example("[1]", result="1")])
    misfits = of_kind(await assists(ir, sandbox), "misfit")
    assert [misfit.about for misfit in misfits] == ["/examples/4", "/examples/5"]
    assert applied(ir, misfits[0])["examples"] == [*ir["examples"][:4], ir["examples"][5]]


async def test_an_assertion_that_an_example_breaks_is_found_by_evaluating_it(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED, assertions=[{"expression": "result >= 0"}, {"expression": "result <= 2"}])
    (broken,) = await assists(ir, sandbox)
    assert (broken.kind, broken.about) == ("broken_assertion", "/assertions/0")
    assert "f([1], -1) == -1" in broken.text
    assert applied(ir, broken)["examples"] == ir["examples"][:3]


@pytest.mark.parametrize(
    ("expression", "tested"),
    [
        ("result <= 2", True),
        ("not n > 5 or result > 0", False),
        ("not n > 1 or result >= 0", True),
        ("result > 0 if n > 5 else True", False),
        ("xs.no_such_attribute", False),
    ],
)
async def test_an_assertion_whose_premise_no_example_meets_is_untested(
    sandbox: ProcessSandbox, expression: str, *, tested: bool
):
    found = await assists(ir_of(examples=COVERED, assertions=[{"expression": expression}]), sandbox)
    assert bool(of_kind(found, "untested_assertion")) != tested


async def test_an_input_that_meets_the_premise_is_proposed(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED[:1], assertions=[{"expression": "not n < 0 or result == 0"}])
    (untested,) = of_kind(await assists(ir, sandbox), "untested_assertion")
    assert "what does f([2], -1) give?" in untested.action.ask[0].question


async def test_types_that_allow_anything_are_narrowed_by_the_examples_or_asked_for(sandbox: ProcessSandbox):
    signature = {"name": "f", "parameters": [{"name": "a", "type": "object"}], "returns": "object"}
    ir = ir_of(signature=signature, examples=[example("[1]", result="'x'"), example("[]", result="None")])
    parameter, returns = of_kind(await assists(ir, sandbox), "loose_type")
    assert parameter.action.set == {"/signature/parameters/0/type": "list[int]"}
    changed = applied(applied(ir, parameter), returns)
    assert differing(ir, changed) == {"signature"}
    assert (
        IntermediateRepresentation.model_validate(changed).signature.to_source() == "def f(a: list[int]) -> str | None"
    )
    unknown = of_kind(await assists(ir_of(signature=signature), sandbox), "loose_type")
    assert [assist.action.ask[0].id for assist in unknown] == ["type-0", "type-returns"]


async def test_an_effect_that_nothing_shows_is_asked_about_once(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED, effects=["clock"])
    (effect,) = await assists(ir, sandbox)
    changed = applied(ir, effect)
    assert changed["holes"][0]["id"] == "effect-clock"
    assert await assists(changed, sandbox) == []


async def test_an_assist_keeps_its_id_while_it_is_about_the_same(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED[:2], effects=["clock"])
    before = {assist.id for assist in await assists(ir, sandbox)}
    after = {assist.id for assist in await assists({**ir, "intent": {"summary": "Other.", "rationale": ""}}, sandbox)}
    assert before == after
    assert len(before) == 3


async def test_a_predicate_that_never_ends_ends_the_sandbox_and_not_the_answer(sandbox: ProcessSandbox):
    ir = ir_of(examples=COVERED, assertions=[{"expression": "[0 for i in iter(int, 1)] or result"}])
    assert [assist.kind for assist in await assists(ir, sandbox)] == ["untested_assertion"]
