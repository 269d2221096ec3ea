"""Runs inside the sandbox: what tests of one function need of pytest, under its names and with its meaning.

`pytest.raises`, `pytest.approx` and `pytest.mark.parametrize`. Pytest itself collects files, captures output and loads
plugins: none of that has a place in there. It may import the standard library alone.
"""

import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType, TracebackType
from typing import Any, Self

CASES = "lift_sys_cases"
"""The attribute of a function that has the arguments of each of its cases, by name."""


class raises:  # noqa: N801 - pytest's name
    """`with raises(ValueError, match="empty") as caught:`; what was raised is `caught.value`."""

    def __init__(self, expected: type[BaseException] | tuple[type[BaseException], ...], *, match: str = "") -> None:
        self._expected = expected
        self._match = match
        self.value: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if error is None:
            raise AssertionError(f"it did not raise {_named(self._expected)}")
        if not isinstance(error, self._expected):
            return False
        if not re.search(self._match, str(error)):
            raise AssertionError(f"{str(error)!r} does not match {self._match!r}")
        self.value = error
        return True


class approx:  # noqa: N801, PLW1641 - pytest's name; nothing that is only nearly equal has a hash
    """A number, or a list, tuple or dict of numbers, that is equal within 1e-6 of itself or 1e-12."""

    def __init__(self, expected: Any, rel: float = 1e-6, abs: float = 1e-12) -> None:  # noqa: A002 - pytest's name
        self._expected = expected
        self._relative = rel
        self._absolute = abs

    def __eq__(self, actual: object) -> bool:
        return self._near(self._expected, actual)

    def __repr__(self) -> str:
        return f"approx({self._expected!r})"

    def _near(self, expected: Any, actual: Any) -> bool:
        if isinstance(expected, Mapping):
            return expected.keys() == actual.keys() and all(self._near(expected[k], actual[k]) for k in expected)
        if isinstance(expected, list | tuple):
            return len(expected) == len(actual) and all(map(self._near, expected, actual))
        if isinstance(expected, int | float) and isinstance(actual, int | float):
            return math.isclose(expected, actual, rel_tol=self._relative, abs_tol=self._absolute)
        return bool(expected == actual)


class mark:  # noqa: N801 - pytest's name
    """`@mark.parametrize("a, b", [(1, 2), (3, 4)])`; several multiply."""

    @staticmethod
    def parametrize(names: str | Iterable[str], values: Iterable[Any]) -> Callable[[Any], Any]:
        """One case for each of `values`: a tuple of as many, or the one."""
        each = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        given = [dict(zip(each, value if len(each) > 1 else (value,), strict=True)) for value in values]

        def add_cases(test: Any) -> Any:
            before = getattr(test, CASES, [{}])
            setattr(test, CASES, [{**case, **more} for more in given for case in before])
            return test

        return add_cases


def offer() -> None:
    """Have `import pytest` find these names and no others."""
    module = ModuleType("pytest", __doc__)
    module.__dict__.update(raises=raises, approx=approx, mark=mark)
    sys.modules["pytest"] = module


def _named(expected: type[BaseException] | tuple[type[BaseException], ...]) -> str:
    return " or ".join(each.__name__ for each in (expected if isinstance(expected, tuple) else (expected,)))
