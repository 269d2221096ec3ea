"""Calls near a specification's examples, by which candidates are compared."""

import ast
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from functions.ir import Example, Intent, IntermediateRepresentation, Parameter, Signature
from functions.probe_calls import MOST_CALLS, probe_calls

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def of(*calls: tuple[Any, ...]) -> IntermediateRepresentation:
    """A specification of `f` with these examples."""
    parameters = [Parameter(name=f"p{place}", type="object") for place in range(len(calls[0]) if calls else 0)]
    examples = [Example(arguments=[repr(value) for value in call], result="None") for call in calls]
    signature = Signature(name="f", parameters=parameters)
    return IntermediateRepresentation(intent=Intent(summary="Try."), signature=signature, examples=examples)


def arguments(call: str) -> tuple[Any, ...]:
    tree = ast.parse(call, mode="eval").body
    assert isinstance(tree, ast.Call)
    return tuple(ast.literal_eval(argument) for argument in tree.args)


@given(st.lists(st.tuples(values, values), max_size=3))
def test_each_differs_from_an_example_in_one_argument_of_the_same_type(calls: list[tuple[Any, Any]]):
    ir = of(*calls)
    probes = probe_calls(ir)
    assert probes == probe_calls(ir)
    assert len(set(probes)) == len(probes) <= MOST_CALLS
    for probe in map(arguments, probes):
        near = [
            call
            for call in calls
            if [type(value) for value in call] == [type(value) for value in probe]
            and sum(repr(one) != repr(other) for one, other in zip(call, probe, strict=True)) == 1
        ]
        assert near, probe


def test_what_tells_programs_apart_comes_first():
    assert probe_calls(of(([1, 2, 3], 1)))[:4] == (
        "f([3, 2, 1], 1)",
        "f([1, 2, 3], 2)",
        "f([1, 2, 3, 1], 1)",
        "f([1, 2, 3], 0)",
    )
    assert "f([], 1)" in probe_calls(of(([1, 2, 3], 1)))
    assert "f('b')" in probe_calls(of(("ab",)))


def test_there_is_none_where_there_is_nothing_to_begin_with():
    assert probe_calls(of()) == ()
    ir = of((1,))
    unread = ir.model_copy(update={"examples": [Example(arguments=["date(2024, 1, 1)"], result="1")]})
    assert probe_calls(unread) == ()
