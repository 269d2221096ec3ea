"""A grammar file as it is read, specialised, and written out: on small grammars, of which the result can be seen."""

import pytest

from functions.constraints.template import load, read
from functions.constraints.unrolling import lark, written

NOTES = """\
// A small language of blocks.
//@ unrolled field DEPTH = [0:3]   written out
//@ field COUNT = [3:6]            counted by the decoder
//@ flag OPEN = 6
//@ limit MOST = 2
//@ limit MANY = none

start: block::0
block::_: "a"                      //: plain
    | "{" block::incr(DEPTH) "}"   %if lt(DEPTH, MOST) //: nested deep
    | NAME{0,MANY} "."             %if not(eq(COUNT, 3)) //: named
NAME: /[a-z]/
"""


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines()]


def test_a_rule_is_written_out_for_each_value_that_its_conditions_tell_apart():
    grammar = read(NOTES)
    assert grammar.words == {"plain", "nested", "deep", "named"}
    assert (grammar.limits["MOST"], grammar.limits["MANY"]) == (2, None)
    assert (grammar.bits["DEPTH"].unrolled, grammar.bits["COUNT"].unrolled) == (True, False)
    assert (grammar.bits["COUNT"].is_field, grammar.bits["OPEN"].is_field) == (True, False)
    assert [hex(grammar.bits[name].mask) for name in ("DEPTH", "COUNT", "OPEN")] == ["0x7", "0x38", "0x40"]
    parametric = {name for name, definition in grammar.definitions.items() if definition.parametric}
    assert parametric == {"block"}
    text = lines(lark(grammar))
    assert {line.partition(":")[0] for line in text if not line.startswith("|")} == {
        *("start", "block", "block_depth1", "block_depth2", "NAME")
    }
    assert sum(line.startswith('| "{"') for line in text) == 2
    assert all("not(eq([3:6], 3))" in line for line in text if '"."' in line)


def test_an_alternative_goes_with_any_of_its_words_and_limits_are_lowered():
    grammar = read(NOTES)
    flat = lark(grammar.specialised(without={"deep"}))
    assert '"{"' not in flat
    assert "depth1" not in flat
    assert "depth1" not in lark(grammar.specialised(limits={"MOST": 0}))
    assert "NAME{0,5}" in lark(grammar.specialised(limits={"MANY": 5})).replace(" ", "")
    assert grammar.specialised(without={"plain", "nested", "named"}).definitions.keys() == {"NAME"}


def test_a_rule_is_replaced_and_one_is_added():
    grammar = read(NOTES).specialised(definitions={"NAME": "MORE", "MORE": '"b"\n"c"', "block": '"x" | NAME'})
    assert lines(lark(grammar)) == ["start: block", 'block: "x" | NAME', "NAME: MORE", 'MORE: "b"', '| "c"']


def test_where_nothing_can_be_written_nothing_is():
    assert written(read("//@ unrolled field DEPTH = [0:3]\nstart: x::0\nx::_: X %if lt(DEPTH, 0)\nX: /a/")) == {}


def test_what_the_file_does_not_know_is_an_error():
    grammar = load("python")
    with pytest.raises(KeyError, match="marked with nonsense"):
        grammar.specialised(without={"nonsense", "while"})
    with pytest.raises(KeyError, match="no such limit: NONSENSE"):
        grammar.specialised(limits={"NONSENSE": 1, "MAX_INDENT": 1})
    with pytest.raises(ValueError, match="not part of a rule: astray"):
        read("start: x\nastray")


@pytest.mark.parametrize("condition", ["nonsense", "lt(DEPTH, 1) more", "and(lt(DEPTH, 1), nonsense)"])
def test_a_condition_that_is_none_is_an_error(condition: str):
    grammar = read(f"//@ unrolled field DEPTH = [0:3]\nstart: x::0\nx::_: X %if {condition}\nX: /a/")
    with pytest.raises(ValueError, match="not a condition"):
        lark(grammar)


@pytest.mark.parametrize(
    ("condition", "written"),
    [
        *(("eq(DEPTH, 0)", ""), ("eq(DEPTH, 1)", None), ("lt(DEPTH, 1)", ""), ("lt(DEPTH, 0)", None)),
        *(("bit_set(FLAG)", None), ("bit_clear(FLAG)", ""), ("not(bit_set(FLAG))", ""), ("lt(DEPTH, MOST)", "")),
        *(("bit_set(OPEN)", "bit_set(6)"), ("lt(COUNT, MOST)", "lt([3:6], 2)"), ("eq(COUNT, 0x3)", "eq([3:6], 3)")),
        *(("and(eq(DEPTH, 0), bit_set(OPEN))", "bit_set(6)"), ("and(eq(DEPTH, 1), bit_set(OPEN))", None)),
        *(("or(eq(DEPTH, 0), bit_set(OPEN))", ""), ("or(eq(DEPTH, 1), bit_set(OPEN))", "bit_set(6)")),
        ("and(bit_set(OPEN), not(bit_clear(OPEN)))", "and(bit_set(6), not(bit_clear(6)))"),
        ("or(bit_set(OPEN), eq(DEPTH, 1), lt(COUNT, 1))", "or(bit_set(6), lt([3:6], 1))"),
        ("and(eq(DEPTH, 0), bit_clear(FLAG))", ""),
        ("or(eq(DEPTH, 1), bit_set(FLAG))", None),
    ],
)
def test_a_condition_is_decided_as_far_as_the_place_says(condition: str, written: str | None):
    notes = NOTES.partition("start")[0] + "//@ unrolled flag FLAG = 7\n"
    grammar = read(f'{notes}start: x::0\nx::_: "a" %if {condition}\n    | "b"')
    first, *rest = lines(lark(grammar))[1:]
    body = first.partition(": ")[2]
    if written is None:
        assert (body, rest) == ('"b"', [])
    else:
        assert body == ('"a"' if written == "" else f'"a" %if {written}')
        assert rest == ['| "b"']
