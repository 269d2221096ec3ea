"""A session's own tests: what may be given, and how they judge a candidate in the real sandbox."""

import pytest

from functions.evidence import Check
from functions.ir import IntermediateRepresentation
from functions.own_test_checks import own_test_checks
from functions.own_tests import MOST_TESTS, read_own_tests
from functions.sandbox import ProcessSandbox
from functions.verification import verify

ADD = "def add(a: int, b: int) -> int:\n    return a + b\n"


def specification(name: str = "add") -> IntermediateRepresentation:
    parameters = [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}]
    return IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "What the test says."},
            "signature": {"name": name, "parameters": parameters, "returns": "int"},
            "examples": [{"arguments": ["1", "2"], "result": "3"}],
        }
    )


async def rows(sandbox: ProcessSandbox, code: str, tests: str, name: str = "f") -> dict[str, Check]:
    checks, _ = await own_test_checks(code, specification(name), read_own_tests(tests), sandbox)
    return {check.name: check for check in checks}


def test_the_tested_function_is_the_only_name_from_elsewhere():
    tests = read_own_tests(
        "import math\n\ndef test_one():\n    assert add(1, 2) == math.floor(3.5)\n\nassert add(0, 0) == 0\n"
    )
    assert tests.tested == "add"
    assert tests.names == ("test_one", "assert in line 6")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("def test_a(:\n", "line 1"),
        ("", "they test nothing"),
        ("x = add(1, 2)\n", "there is no test in it"),
        ("assert add(1) == other(2)\n", r"add \(line 1\), other \(line 1\)"),
        ("from calculator import add\nassert add(1, 2) == 3\n", "line 1: there is no module 'calculator'"),
        ("from . import add\nassert add(1, 2) == 3\n", "there is no module"),
        (
            "import pytest\n@pytest.fixture\ndef two():\n    return 2\ndef test_a(two):\n    assert add(two, 1) == 3\n",
            "fixture",
        ),
        ("def test_a(two):\n    assert add(two, 1) == 3\n", "line 1: test_a takes two"),
        ("async def test_a():\n    assert add(2, 1) == 3\n", "async"),
        ("assert add(1, 2) == 3\n" * (MOST_TESTS + 1), "at most"),
        ("#" * 60_000, "60000 characters"),
        ("assert add(" + "(" * 5_000 + "1" + ")" * 5_000 + ")", "nested"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_place(source: str, why: str):
    with pytest.raises(ValueError, match=why):
        read_own_tests(source)


async def test_each_test_is_a_row_and_a_failure_says_what_the_function_gave(sandbox: ProcessSandbox):
    found = await rows(
        sandbox,
        "def f(a: int, b: int) -> int:\n    return a - b\n",
        "def test_small():\n    assert add(1, 0) == 1\n\n\n"
        "def test_sum():\n    total = add(2, b=3)\n    assert total == 5, 'no sum'\n",
    )
    assert found == {
        "test_small": Check("test_small", "passed", "1 call"),
        "test_sum": Check(
            "test_sum", "failed", "line 7: assert total == 5, 'no sum' does not hold: no sum; f(2, b=3) gave -1"
        ),
    }


async def test_the_names_of_pytest_and_hypothesis_mean_what_they_do_there(sandbox: ProcessSandbox):
    found = await rows(
        sandbox,
        "def f(a: float) -> float:\n    if a < 0:\n        raise ValueError('below zero')\n    return a / 3\n",
        "import pytest\nfrom hypothesis import given, strategies as st\n\n"
        "@pytest.mark.parametrize('a, third', [(3, 1), (1, 0.3333333)])\n"
        "def test_third(a, third):\n    assert f(a) == pytest.approx(third)\n\n"
        "def test_below():\n    with pytest.raises(ValueError, match='below') as caught:\n        f(-1)\n"
        "    assert str(caught.value) == 'below zero'\n\n"
        "def test_raises_otherwise():\n    with pytest.raises(KeyError):\n        f(-1)\n\n"
        "def test_does_not_raise():\n    with pytest.raises(KeyError):\n        f(1)\n\n"
        "@given(st.integers(0, 9))\ndef test_all(a):\n    assert f(a) <= 2\n",
    )
    assert {name: check.verdict for name, check in found.items()} == {
        "test_third": "passed",
        "test_below": "passed",
        "test_raises_otherwise": "failed",
        "test_does_not_raise": "failed",
        "test_all": "failed",
    }
    assert found["test_third"].detail == "2 calls"
    assert "raised ValueError: below zero" in found["test_raises_otherwise"].detail
    assert "f(7) gave 2.33" in found["test_all"].detail


async def test_values_of_the_standard_library_and_changed_arguments_cross_over(sandbox: ProcessSandbox):
    found = await rows(
        sandbox,
        "def f(items: list, day=None):\n    import collections\n    items.sort()\n"
        "    return collections.Counter(items), day, iter(items)\n",
        "import datetime\n\ndef test_sorts_in_place():\n    items = [3, 1, 2]\n    day = datetime.date(2020, 2, 29)\n"
        "    counted, same, rest = f(items, day)\n"
        "    assert items == [1, 2, 3] and counted == {1: 1, 2: 1, 3: 1} and same == day and list(rest) == items\n",
    )
    assert found["test_sorts_in_place"].verdict == "passed", found


async def test_what_cannot_cross_over_says_nothing_and_stands_in_no_ones_way(sandbox: ProcessSandbox):
    found = await rows(
        sandbox,
        "def f(a):\n    return object()\n",
        "def test_it():\n    assert f(1)\n\nassert 1 == 1\n\ndef test_of_a_class():\n    assert f(test_it)\n",
    )
    assert {check.verdict for check in found.values()} == {"skipped"}
    assert "a value of class object" in found["test_it"].detail
    assert "does not call" in found["assert in line 4"].detail


async def test_a_candidate_that_hangs_or_ends_itself_fails_its_test_alone(sandbox: ProcessSandbox):
    found = await rows(
        sandbox,
        "def f(a):\n    import os\n    if a == 1:\n        os._exit(0)\n    return a\n",
        "def test_end():\n    assert f(1) == 1\n\ndef test_next():\n    assert f(2) == 2\n",
    )
    assert found["test_end"].verdict == "failed"
    assert "or a crash" in found["test_end"].detail
    assert found["test_next"].verdict == "passed"


async def test_a_candidate_finds_nothing_of_the_tests_in_its_process(sandbox: ProcessSandbox):
    code = (
        "def f(a):\n    import gc, sys\n    frame, found = sys._getframe(), []\n    while frame:\n"
        "        found.append(repr(frame.f_globals) + repr(frame.f_locals))\n        frame = frame.f_back\n"
        "    found += [repr(o) for o in gc.get_objects() if isinstance(o, (dict, list)) and o is not found]\n"
        "    return any('_'.join(['forty', 'two']) in text for text in found)\n"
    )
    found = await rows(sandbox, code, "def test_it():\n    forty_two = 42\n    assert f(1) is False\n")
    assert found["test_it"].verdict in {"passed", "failed"}
    assert "gave True" not in found["test_it"].detail


async def test_the_tests_come_last_and_only_where_nothing_certain_has_failed(sandbox: ProcessSandbox):
    tests = read_own_tests("def test_add():\n    assert plus(2, 2) == 4\n")
    passed = await verify(ADD, specification(), sandbox, tests=tests)
    assert passed.passed
    assert passed.checks[-1] == Check("test_add", "passed", "1 call")
    wrong = await verify(ADD.replace("+", "-"), specification(), sandbox, tests=tests)
    assert wrong.checks[-1] == Check("test_add", "not_run")
    assert not wrong.passed


async def test_a_guess_that_fails_does_not_keep_the_tests_from_telling(sandbox: ProcessSandbox):
    guess = specification().model_dump(mode="json")
    guess["examples"][0]["result"] = "4"
    guess["metadata"]["provenance"] = {"/examples/0": {"source": "model"}}
    tests = read_own_tests("assert add(2, 2) == 4\n")
    found = await verify(ADD, IntermediateRepresentation.model_validate(guess), sandbox, tests=tests)
    assert [check.verdict for check in found.checks[-2:]] == ["failed", "passed"]
    assert found.sound
