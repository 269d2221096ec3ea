"""mypy on candidates, in its own limited process."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from functions.type_checks import TypeChecker
from infra.settings import Settings


@pytest.fixture(scope="module")
async def types(settings: Settings, model_path: Path) -> AsyncIterator[TypeChecker]:
    checker = TypeChecker(settings.validation, model_path / "tokenizer.json")
    yield checker
    await checker.close()


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def f(v: list[int]) -> int:\n    return str(v)\n", 'line 2: Incompatible return value type (got "str"'),
        ("def f(s: str) -> str:\n    return s.push('a')\n", 'line 2: "str" has no attribute "push"'),
        ("def f(s: str, n: int) -> str:\n    return s + n\n", "line 2: Unsupported operand types"),
    ],
)
async def test_types_that_do_not_agree_are_named(types: TypeChecker, code: str, said: str):
    check = await types.check(code)
    assert (check.name, check.verdict) == ("types", "failed")
    assert check.detail.startswith(said)


@pytest.mark.parametrize(
    "code",
    [
        # What people write without annotations inside, and what is correct.
        (
            "def f(v: list[int]) -> int:\n    best = None\n    for x in v:\n        if best is None or x > best:\n"
            "            best = x\n    return best\n"
        ),
        "def f(s: str) -> int:\n    s = s.split()\n    return len(s)\n",
        "import re\ndef f(s: str) -> str:\n    return re.match('a', s).group(0)\n",
        (
            "def f(s: str) -> str:\n    counts = {}\n    for c in s:\n        counts[c] = counts.get(c, 0) + 1\n"
            "    return max(counts, key=counts.get)\n"
        ),
        "import numpy\ndef f(n: int) -> int:\n    return numpy.zeros(n).sum()\n",
        (
            "def f(n: int) -> int:\n    total = 0\n    for d in str(n):\n        d = int(d)\n        total += d\n"
            "    return total\n"
        ),
        "def f(",
    ],
)
async def test_what_may_be_right_is_not_called_wrong(types: TypeChecker, code: str):
    assert (await types.check(code)).verdict in {"passed", "skipped"}


async def test_a_checker_that_dies_is_no_ones_fault(types: TypeChecker):
    code = "def f() -> int:\n    return " + "(" * 20_000 + "1" + ")" * 20_000 + "\n"
    assert (await types.check(code)).verdict == "skipped"
    assert (await types.check("def f() -> int:\n    return 1\n")).verdict == "passed"
