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


def test_what_both_added_is_merged_member_by_member():
    merged = merge({}, {"a": {"x": 1}, "l": [1, 2]}, {"a": {"y": 2}, "l": [2, 3]})
    assert merged.value == {"a": {"x": 1, "y": 2}, "l": [2, 3, 1]}
    assert merged.clashes == []
    instead = merge({"a": 7}, {"a": {"x": 1}}, {"a": {"x": 2}})
    assert (instead.value, instead.clashes) == ({"a": {"x": 1}}, [Clash("/a/x", 1, 2)])
    lists = merge({"a": 7}, {"a": [1]}, {"a": [2]})
    assert (lists.value, lists.clashes) == ({"a": [2, 1]}, [])


def test_what_one_removed_and_the_other_left_alone_is_gone():
    assert merge({"a": 1, "b": 2}, {"b": 2}, {"a": 1, "b": 3}).value == {"b": 3}
    assert merge({"a": 1, "b": 2}, {"a": 1, "b": 3}, {"b": 2}).value == {"b": 3}


def test_a_clash_names_its_place_and_what_is_gone_on_either_side():
    for mine, theirs in (({}, {"a/b~": 2}), ({"a/b~": 2}, {})):
        merged = merge({"a/b~": 1}, mine, theirs)
        assert merged.value == mine
        assert merged.clashes == [Clash("/a~1b~0", mine.get("a/b~"), theirs.get("a/b~"))]
    other_kind = merge({"a": {}}, {"a": []}, {"a": {"x": 1}})
    assert (other_kind.value, other_kind.clashes) == ({"a": []}, [Clash("/a", [], {"x": 1})])


def test_an_id_goes_before_a_name_and_what_tells_nothing_apart_is_no_name():
    base = [{"id": "1", "name": "n", "v": 0}, {"id": "2", "name": "n", "v": 0}]
    changed = [base[0] | {"v": 1}, base[1]], [base[0], base[1] | {"v": 2}]
    assert merge(base, *changed).value == [base[0] | {"v": 1}, base[1] | {"v": 2}]
    twice = [{"name": "n", "v": 0}, {"name": "n", "v": 1}]
    assert merge(twice, [*twice, {"name": "n", "v": 2}], twice[1:]).value == [twice[1], {"name": "n", "v": 2}]
    mixed = [{"name": "n"}, "loose"]
    assert merge(mixed, [*mixed, 1], [*mixed, 2]).value == [*mixed, 2, 1]


def test_true_is_not_one():
    for base, mine in (({"default": 1}, {"default": True}), ({"default": [0]}, {"default": [False]})):
        assert repr(merge(base, mine, base).value) == repr(mine)
        assert repr(merge(base, base, mine).value) == repr(mine)
    clash = merge({"default": None}, {"default": True}, {"default": 1})
    assert repr(clash.clashes) == repr([Clash("/default", mine=True, theirs=1)])


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
