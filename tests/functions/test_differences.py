import copy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from functions.differences import Difference, differences

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "b", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "name", "x", "a/b~"]), inner),
    max_leaves=8,
)


@given(JSON)
def test_equal_values_do_not_differ(value: Any):
    assert differences(value, copy.deepcopy(value)) == []


def test_members_are_added_removed_and_replaced_at_their_place():
    old = {"intent": {"summary": "add"}, "effects": ["pure"], "gone": 1}
    new = {"intent": {"summary": "add two"}, "effects": ["pure", "clock"]}
    assert differences(old, new) == [
        Difference(op="replace", path="/intent/summary", old="add", new="add two"),
        Difference(op="add", path="/effects/1", new="clock"),
        Difference(op="remove", path="/gone", old=1),
    ]


def test_items_with_an_id_or_a_name_are_matched_by_it():
    old = {"parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]}
    new = {"parameters": [{"name": "b", "type": "str"}, {"name": "a", "type": "int"}]}
    assert differences(old, new) == [Difference(op="replace", path="/parameters/b/type", old="int", new="str")]


def test_true_is_not_one():
    assert differences({"default": 1}, {"default": True}) == [
        Difference(op="replace", path="/default", old=1, new=True)
    ]
