"""Assertions tried with generated inputs, in the real sandbox."""

import pytest

from functions.evidence import Check
from functions.ir import IntermediateRepresentation
from functions.property_checks import property_checks
from functions.sandbox import ProcessSandbox
from functions.verification import verify


def specification(
    parameters: dict[str, str], returns: str, *assertions: str, examples: list[dict[str, object]] | None = None
) -> IntermediateRepresentation:
    return IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": "What the test says."},
            "signature": {
                "name": "f",
                "parameters": [{"name": name, "type": kind} for name, kind in parameters.items()],
                "returns": returns,
                "raises": ["ValueError"],
            },
            "assertions": [{"expression": text} for text in assertions],
            "examples": examples or [],
        }
    )


async def rows(sandbox: ProcessSandbox, code: str, ir: IntermediateRepresentation) -> dict[str, Check]:
    checks, _ = await property_checks(code, ir, sandbox)
    return {check.name: check for check in checks}


async def test_what_holds_passes_with_the_number_of_calls(sandbox: ProcessSandbox):
    ir = specification({"x": "int"}, "int", "result >= 0", "result == x or result == -x")
    found = await rows(sandbox, "def f(x: int) -> int:\n    return abs(x)\n", ir)
    assert {name: check.verdict for name, check in found.items()} == dict.fromkeys(
        ("outcomes", "assertion 1", "assertion 2"), "passed"
    )
    assert "held for 100 calls" in found["assertion 1"].detail


async def test_the_smallest_input_that_breaks_an_assertion_is_told(sandbox: ProcessSandbox):
    ir = specification({"x": "int"}, "int", "result == x")
    found = await rows(sandbox, "def f(x: int) -> int:\n    return x if x < 37 else 3\n", ir)
    assert found["assertion 1"] == Check("assertion 1", "failed", "f(37) gave 3, so not: result == x")


async def test_every_broken_assertion_is_told_of(sandbox: ProcessSandbox):
    ir = specification({"v": "list[int]"}, "list[int]", "len(result) == len(v)", "result == sorted(result)")
    found = await rows(sandbox, "def f(v: list[int]) -> list[int]:\n    return v[1:]\n", ir)
    assert found["assertion 1"].verdict == found["assertion 2"].verdict == "failed"
    assert found["assertion 1"].detail.startswith("f([0]) gave []")


async def test_an_exception_that_is_listed_is_no_fault_and_another_is(sandbox: ProcessSandbox):
    ir = specification({"v": "list[int]"}, "float", "min(v) <= result <= max(v)")
    refuses = "def f(v: list[int]) -> float:\n    if not v:\n        raise ValueError\n    return sum(v) / len(v)\n"
    assert {check.verdict for check in (await rows(sandbox, refuses, ir)).values()} == {"passed"}
    found = await rows(sandbox, "def f(v: list[int]) -> float:\n    return sum(v) / len(v)\n", ir)
    assert found["outcomes"].verdict == "failed"
    assert found["outcomes"].detail == (
        "f([]) raised ZeroDivisionError: division by zero (line 2: return sum(v) / len(v)), "
        "which the specification does not list"
    )


async def test_a_value_of_another_type_is_a_fault(sandbox: ProcessSandbox):
    found = await rows(
        sandbox, "def f(x: int) -> int:\n    return x / 2\n", specification({"x": "int"}, "int", "result * 2 == x")
    )
    assert found["outcomes"].detail == "f(0) gave 0.0, which is no int"


async def test_an_assertion_that_can_say_nothing_stands_in_no_ones_way(sandbox: ProcessSandbox):
    ir = specification(
        {"x": "int"}, "int", "len(result) > 0", "result > 3", examples=[{"arguments": ["3"], "result": "3"}]
    )
    code = "def f(x: int) -> int:\n    return x\n"
    evidence = await verify(code, ir, sandbox)
    found = {check.name: check for check in evidence.checks}
    assert found["assertion 1"].verdict == "skipped"
    assert "object of type 'int' has no len()" in found["assertion 1"].detail
    assert found["assertion 2"].detail == "result > 3: example 1 contradicts it"
    assert evidence.passed


async def test_types_that_cannot_be_made_up_are_tried_with_the_examples_alone(sandbox: ProcessSandbox):
    code = "from collections.abc import Callable\ndef f(x: Callable[[], int]) -> int:\n    return 1\n"
    found = await rows(sandbox, code, specification({"x": "Callable[[], int]"}, "int", "result == 1"))
    assert found["assertion 1"] == Check("assertion 1", "skipped", "no call could be tried")


@pytest.mark.parametrize("hang", ["while True: pass", "import os; os._exit(0)", "import time; time.sleep(9)"])
async def test_inputs_on_which_it_hangs_or_crashes_are_named_and_do_not_last(sandbox: ProcessSandbox, hang: str):
    ir = specification({"x": "int"}, "int", "result == x")
    code = f"def f(x: int) -> int:\n    if x > 500:\n        {hang}\n    return x\n"
    checks, lasting = await property_checks(code, ir, sandbox)
    assert not lasting
    assert "no answer in time, or a crash: f(" in checks[1].detail


@pytest.mark.parametrize(
    "kind",
    [
        "int",
        "float",
        "str",
        "bool",
        "bytes",
        "object",
        "list",
        "dict",
        "list[str]",
        "set[int]",
        "dict[str, list[int]]",
        "tuple[int, ...]",
        "tuple[int, str]",
        "int | None",
        "list[tuple[int, int]]",
        "Optional[int]",
        "tuple",
    ],
)
async def test_every_type_of_builtins_has_inputs(sandbox: ProcessSandbox, kind: str):
    found = await rows(sandbox, "def f(x):\n    return x\n", specification({"x": kind}, kind, "result == x"))
    assert found["assertion 1"].verdict == "passed", found


async def test_what_is_asserted_never_reaches_the_candidate(sandbox: ProcessSandbox):
    """Neither in its own memory, nor in that of the process that judges it."""
    code = """
import gc, os, sys
def f(x):
    seen, frame = [], sys._getframe()
    while frame:
        seen.append(repr(frame.f_locals) + repr(frame.f_globals))
        frame = frame.f_back
    seen += [repr(thing) for thing in gc.get_objects() if isinstance(thing, (str, dict, list))]
    for descriptor in range(4, 64):
        try:
            seen.append(repr(os.read(descriptor, 10_000)))
        except OSError:
            pass
    return 'zy' + 'zzyx' in ''.join(seen)
"""
    ir = specification({"x": "bool"}, "bool", "'zyzzyx' and result is False")
    found = await rows(sandbox, code, ir)
    assert found["assertion 1"].verdict == "passed", found


async def test_a_candidate_cannot_end_or_read_its_judge(sandbox: ProcessSandbox):
    code = """
import ctypes, os, signal
def f(x):
    for process in (1, os.getppid(), -1):
        for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP):
            try:
                os.kill(process, number)
            except OSError:
                pass
    if ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0) == 0:
        return 1
    return 0
"""
    found = await rows(sandbox, code, specification({"x": "int"}, "int", "result == 0"))
    assert found["outcomes"].verdict in {"passed", "skipped"}, found
    assert found["assertion 1"].verdict in {"passed", "skipped"}, found


async def test_a_hostile_assertion_is_contained(sandbox: ProcessSandbox):
    ir = specification({"x": "int"}, "int", "all(True for _ in iter(int, 1))")
    found = await rows(sandbox, "def f(x: int) -> int:\n    return x\n", ir)
    assert found["assertion 1"].verdict == "failed"
    assert found["assertion 1"].detail.startswith(("killed", "timeout"))
