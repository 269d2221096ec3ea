"""Cursors: any place of a list as a text that stands in an address as it is."""

import re

import pytest

from functions.failures import Refused
from functions.pages import LONGEST_CURSOR, cursor_of, position_of


@pytest.mark.parametrize("length", range(12))
def test_a_cursor_needs_no_escape_in_an_address_and_stands_for_its_position(length: int):
    position = {"at": "\u00fe" * length + "~?" * length, "id": "x" * length}
    cursor = cursor_of(position)
    assert cursor is not None
    assert re.fullmatch(r"[\w-]+", cursor, re.ASCII)
    assert position_of(cursor, dict) == position


def test_the_last_page_has_no_cursor_and_the_first_needs_none():
    assert cursor_of(None) is None
    assert position_of(None, dict) is None


@pytest.mark.parametrize("cursor", ["", "=", "a", "\u00e9", "bnVsbA", "WzFd", cursor_of({"at": "x" * LONGEST_CURSOR})])
def test_what_no_list_of_the_kind_gave_is_refused(cursor: str):
    with pytest.raises(Refused) as refused:
        position_of(cursor, dict)
    assert refused.value.pointer == "/cursor"
