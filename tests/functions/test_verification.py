import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.ir import IntermediateRepresentation
from functions.sandbox import ProcessSandbox
from functions.verification import literal, same_value, verify
from infra.settings import Settings

HALVE = IntermediateRepresentation.model_validate(
    {
        "intent": {"summary": "Halve a number; an odd one is an error."},
        "signature": {"name": "halve", "parameters": [{"name": "n", "type": "int"}], "returns": "int"},
        "examples": [{"arguments": ["4"], "result": "2"}, {"arguments": ["3"], "raises": "ValueError"}],
    }
)
GOOD = "def halve(n: int) -> int:\n    if n % 2:\n        raise ValueError('odd')\n    return n // 2\n"


@pytest.fixture
def sandbox(settings: Settings) -> ProcessSandbox:
    return ProcessSandbox(settings.sandbox)


async def test_code_that_does_what_the_examples_say_passes(sandbox: ProcessSandbox):
    evidence = await verify(GOOD, HALVE, sandbox)
    assert evidence.passed
    assert [check.name for check in evidence.checks] == [
        "parses",
        "signature",
        "names",
        "constraints",
        "runs",
        "example 1",
        "example 2",
    ]


@pytest.mark.parametrize(
    ("code", "failed", "detail"),
    [
        ("def halve(n: int) -> int:\n    return n /\n", "parses", "invalid syntax"),
        ("def halve(n: int) -> int:\n    break\n", "parses", "outside loop"),
        ("def halve(n):\n    return n // 2\n", "signature", "def halve(n):"),
        ("def half(n: int) -> int:\n    return n // 2\n", "signature", "def half("),
        ("def halve(n: int) -> int:\n    return n // 2\n", "example 2", "should raise ValueError, and gave 1"),
        ("def halve(n: int) -> int:\n    return n / 2\n", "example 1", "should give 2, and gave 2.0"),
        (GOOD.replace("n // 2", "m"), "names", "line 4: m is not defined"),
        (GOOD.replace("n // 2", "int.m"), "example 1", "AttributeError"),
        ("def halve(n: int) -> undefined:\n    return n // 2\n", "signature", "undefined"),
    ],
)
async def test_what_is_wrong_is_named(sandbox: ProcessSandbox, code: str, failed: str, detail: str):
    evidence = await verify(code, HALVE, sandbox)
    assert not evidence.passed
    check = next(check for check in evidence.failures if check.name == failed)
    assert detail in check.detail


async def test_an_exception_of_a_subclass_is_the_exception(sandbox: ProcessSandbox):
    code = GOOD.replace("ValueError('odd')", "UnicodeError('odd')")
    assert (await verify(code, HALVE, sandbox)).passed


async def test_code_that_does_not_run_has_not_passed_its_examples(sandbox: ProcessSandbox):
    evidence = await verify(GOOD + "raise SystemExit\n", HALVE, sandbox)
    assert {check.name: check.verdict for check in evidence.checks} == {
        "parses": "passed",
        "signature": "passed",
        "names": "passed",
        "constraints": "passed",
        "runs": "failed",
        "example 1": "not_run",
        "example 2": "not_run",
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(VALUES)
def test_a_value_is_the_same_as_its_own_repr(value: object):
    if "inf" not in repr(value):  # which is no literal
        assert same_value(value, literal(repr(value)))


@pytest.mark.parametrize(("a", "b"), [(1, True), ([1], (1,)), ("1", 1), ({"a": 1}, {"a": 2}), ([1, 2], [1]), (0, 0.0)])
def test_values_of_another_type_or_content_are_not_the_same(a: object, b: object):
    assert not same_value(a, b)


def test_floats_are_compared_within_a_tolerance():
    assert same_value(0.3, 0.1 + 0.2)
    assert same_value(2.0, 2)
    assert same_value(float("nan"), float("nan"))
    assert not same_value(0.3, 0.3001)


@pytest.mark.parametrize(
    "body",
    [
        "return [x for x in range(n)][0]",
        "import os.path\n    return os.path.sep",
        "try:\n        return n\n    except ValueError as error:\n        raise KeyError from error",
        "match n:\n        case [first, *rest]:\n            return rest",
        "match n:\n        case {'a': b, **more}:\n            return b, more",
        "return (lambda y, *z: y)(n)",
        "def inner(m):\n        return m\n    return inner(n)",
    ],
)
async def test_every_way_to_bind_a_name_is_known(sandbox: ProcessSandbox, body: str):
    evidence = await verify(f"def halve(n: int) -> int:\n    {body}\n", HALVE, sandbox)
    assert next(check for check in evidence.checks if check.name == "names").verdict == "passed"


async def test_what_python_only_warns_of_parses(sandbox: ProcessSandbox):
    evidence = await verify(GOOD.replace("if n % 2:", "if n % 2 is 1:"), HALVE, sandbox)
    assert evidence.checks[0].verdict == "passed"


async def test_calls_near_the_examples_are_made_and_their_faults_counted(sandbox: ProcessSandbox):
    evidence = await verify(GOOD, HALVE, sandbox)
    assert evidence.outcomes[:4] == ("2", "raised ValueError", "raised ValueError", "1"), "of 4 and 3, then 5 and 2"
    assert evidence.crashes == 0, "ValueError is what an example expects"
    fragile = await verify(GOOD.replace("    return", "    [][n - 4]\n    return"), HALVE, sandbox)
    assert not fragile.sound
    faulty = await verify(GOOD.replace("    return", "    1 // n\n    return"), HALVE, sandbox)
    assert faulty.passed, "nobody has said what halve(0) gives"
    assert faulty.crashes == 1
    assert "raised ZeroDivisionError" in faulty.outcomes


async def test_what_hangs_near_an_example_has_the_examples_all_the_same(settings: Settings):
    quick = ProcessSandbox(settings.sandbox.model_copy(update={"cpu_s": 1, "wall_s": 2}))
    evidence = await verify(GOOD.replace("    return", "    while n == 0:\n        pass\n    return"), HALVE, quick)
    assert evidence.passed
    assert evidence.outcomes == ("2", "raised ValueError")
