from contextlib import ExitStack

import pytest

from endpoints.watchers import Watchers
from functions.callers import Caller
from functions.failures import TooManyAtOnce, Unavailable


def caller(user_id: str, key_id: str | None = None) -> Caller:
    return Caller(user_id, "", key_id, frozenset())


def test_one_user_cannot_take_the_places_of_all_others_with_however_many_keys():
    watchers = Watchers(10)
    with ExitStack() as open_streams:
        for key in ("a", "b"):
            open_streams.enter_context(watchers.place(caller("one", key)))
        with pytest.raises(TooManyAtOnce, match="2 requests of yours are under way"):
            watchers.require(caller("one", "c"))
        watchers.require(caller("another"))


def test_a_server_has_so_many_places_whoever_asks():
    watchers = Watchers(5)
    with ExitStack() as open_streams:
        for number in range(5):
            open_streams.enter_context(watchers.place(caller(str(number))))
        with pytest.raises(Unavailable) as refused:
            watchers.require(caller("another"))
    assert refused.value.retry_after_s


def test_a_stream_that_ends_however_gives_its_place_back():
    watchers = Watchers(1)
    with pytest.raises(ZeroDivisionError), watchers.place(caller("one")):
        _ = 1 / 0
    watchers.require(caller("another"))
