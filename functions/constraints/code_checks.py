"""The languages whose code can be checked without their grammar."""

from collections.abc import Callable

from functions.constraints.model import Language
from functions.constraints.python_check import python_violations
from functions.constraints.requirements import Requirements
from functions.constraints.typescript_check import typescript_violations
from functions.constraints.violations import Violation

CHECKS: dict[Language, Callable[[str, Requirements], list[Violation]]] = {
    "python": python_violations,
    "typescript": typescript_violations,
}
EMPTY_FUNCTIONS: dict[Language, str] = {"python": "{head}:\n    pass\n", "typescript": "{head} {{}}\n"}
"""A function with a head, and nothing in it."""
