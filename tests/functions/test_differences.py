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


def test_a_place_is_written_as_a_json_pointer():
    assert differences({"a/b~": [1]}, {"a/b~": [2]}) == [Difference(op="replace", path="/a~1b~0/0", old=1, new=2)]
    assert differences([], {}) == [Difference(op="replace", path="", old=[], new={})]
    assert differences({"a": [1, 2]}, {"a": [1]}) == [Difference(op="remove", path="/a/1", old=2)]


def test_an_id_goes_before_a_name_and_what_tells_nothing_apart_is_counted():
    old = [{"id": "1", "name": "a"}, {"id": "2", "name": "a"}]
    new = [{"id": "2", "name": "b"}, {"id": "1", "name": "a"}]
    assert differences(old, new) == [Difference(op="replace", path="/2/name", old="a", new="b")]
    twice = [{"name": "a", "v": 1}, {"name": "a", "v": 2}]
    assert differences(twice, [*twice, {"name": "b"}]) == [Difference(op="add", path="/2", new={"name": "b"})]
    assert differences([{"name": "a"}, 1], [{"name": "a"}, 2]) == [Difference(op="replace", path="/1", old=1, new=2)]
    assert differences([{"name": 1}], [{"name": 2}]) == [Difference(op="replace", path="/0/name", old=1, new=2)]
