"""A session's own tests as its versions have them."""

import pytest

from functions.callers import Caller
from functions.failures import Conflict
from functions.sessions import Session, SessionChanges, SessionStore


async def test_tests_are_a_part_of_each_version_and_closed_with_the_specification(
    sessions: SessionStore, session: Session, alice: Caller
):
    tests = "assert add(1, 2) == 3\n"
    saved = await sessions.save(alice, session.id, expected_version=1, changes=SessionChanges(tests=tests))
    assert (saved.tests, saved.prompt) == (tests, session.prompt)
    changes = SessionChanges(tests=None)
    assert (await sessions.save(alice, session.id, expected_version=2, changes=changes)).tests is None
    assert (await sessions.version(alice, session.id, 2)).tests == tests
    back = await sessions.rollback(alice, session.id, expected_version=3, to_version=2)
    assert back.tests == tests
    await sessions.abandon(alice, session.id, expected_version=4)
    with pytest.raises(Conflict):
        await sessions.save(alice, session.id, expected_version=5, changes=changes)
