"""A session's own tests as a field of requests."""

from typing import Annotated

from pydantic import AfterValidator, StringConstraints

from functions.own_tests import LONGEST, read_own_tests


def _with_tests(source: str) -> str:
    read_own_tests(source)
    return source


Tests = Annotated[str, StringConstraints(max_length=LONGEST), AfterValidator(_with_tests)]
TESTS = (
    "Tests of the function, as for pytest: functions whose names begin with test, and assert statements. They are run "
    "in a sandbox after everything else has passed. The only name that they do not bind is the function's."
)
"""What a field of tests is."""
