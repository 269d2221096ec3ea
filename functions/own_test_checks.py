"""The session's own tests as rows of evidence: the last and dearest of what a candidate must pass."""

from functions.evidence import Check
from functions.ir import IntermediateRepresentation
from functions.own_tests import OwnTests
from functions.sandbox import GivenTests, Sandbox


async def own_test_checks(
    code: str, ir: IntermediateRepresentation, tests: OwnTests, sandbox: Sandbox
) -> tuple[list[Check], bool]:
    """A row for each test. Second: whether it would last, which a busy machine's time limits do not.

    Raises `Unavailable` when no sandbox can be had.
    """
    given = GivenTests(tests.source, tests.tested, ir.signature.name, tests.uses_hypothesis)
    run = await sandbox.tested(code, given)
    if run.ended != "finished":
        return [Check(name, "failed", f"{run.ended}: {run.error}") for name in tests.names], False
    return [Check(one.name, one.verdict, one.detail) for one in run.tests], True


def unrun_own_test_checks(tests: OwnTests | None, why: str = "") -> list[Check]:
    """The same rows for a candidate that has failed before, or that cannot be run: `why`."""
    return [Check(name, "not_run", why) for name in (tests.names if tests else ())]
