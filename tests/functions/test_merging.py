from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from functions.merging import Clash, merge

BASE = {
    "summary": "sum the numbers",
    "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}],
    "examples": [{"result": "1"}, {"result": "2"}],
}


def test_changes_at_different_places_are_both_kept():
    mine = BASE | {"summary": "add the numbers"}
    theirs = BASE | {"parameters": [{"name": "a", "type": "float"}, {"name": "b", "type": "int"}]}
    merged = merge(BASE, mine, theirs)
    assert merged.value == mine | {"parameters": theirs["parameters"]}
    assert merged.clashes == []


def test_what_both_changed_is_told_and_mine_stands():
    merged = merge(BASE, BASE | {"summary": "mine"}, BASE | {"summary": "theirs"})
    assert merged.value["summary"] == "mine"
    assert merged.clashes == [Clash("/summary", "mine", "theirs")]


def test_named_items_are_merged_by_their_names():
    mine = BASE | {"parameters": [{"name": "b", "type": "int"}]}
    theirs = BASE | {"parameters": [*BASE["parameters"], {"name": "c", "type": "str"}]}
    merged = merge(BASE, mine, theirs)
    assert merged.value["parameters"] == [{"name": "b", "type": "int"}, {"name": "c", "type": "str"}]
    assert merged.clashes == []


def test_an_item_that_one_removed_and_the_other_changed_is_a_clash():
    mine = BASE | {"parameters": [{"name": "b", "type": "int"}]}
    theirs = BASE | {"parameters": [{"name": "a", "type": "float"}, {"name": "b", "type": "int"}]}
    merged = merge(BASE, mine, theirs)
    assert merged.value["parameters"] == mine["parameters"]
    assert merged.clashes == [Clash("/parameters/a", None, {"name": "a", "type": "float"})]


def test_items_without_names_that_either_added_are_there_and_those_that_either_removed_are_not():
    mine = BASE | {"examples": [{"result": "2"}, {"result": "3"}]}
    theirs = BASE | {"examples": [*BASE["examples"], {"result": "4"}]}
    assert merge(BASE, mine, theirs).value["examples"] == [{"result": "2"}, {"result": "4"}, {"result": "3"}]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, JSON)
def test_when_one_side_changed_nothing_the_other_side_is_the_result(base: Any, changed: Any):
    assert merge(base, changed, base).value == changed
    assert merge(base, base, changed).value == changed
    assert merge(base, changed, changed).value == changed
