from collections.abc import AsyncGenerator

import pytest

from functions.asking import Asker
from functions.failures import EngineUnavailable, Refused
from functions.generation import EngineStatus, GenerationEvent, GenerationRequest
from functions.ir import IntermediateRepresentation
from functions.reverse import Reverse
from functions.sandbox import ProcessSandbox
from functions.validation import ConstraintValidator
from functions.verification import verify
from infra.settings import Settings


class ColdEngine:
    """No engine at hand: what can be read without one is read."""

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        raise EngineUnavailable("the engine", f"it is cold; {request.id} was not begun")
        yield

    async def status(self) -> EngineStatus:
        return EngineStatus(state="cold", model="none")


@pytest.fixture
def reverse(validator: ConstraintValidator, settings: Settings) -> Reverse:
    return Reverse(validator, ProcessSandbox(settings.sandbox), Asker(ColdEngine(), settings))


PICK = '''
import random
from typing import List, Optional
from hypothesis import given, strategies as st

CACHE = {}

def _remembered(count):
    if count > 1000:
        raise IndexError("too many")
    CACHE[count] = 1

def pick(items: List[int], k: int = 2, *, name: Optional[str] = None) -> List[int]:
    """Pick the largest numbers.

    The rest is of no use.

    Args:
        items: numbers to
          pick from
        k (int): how many

    Raises:
        KeyError: for the name

    >>> pick([3, 1, 2], 2)
    [3, 2]
    >>> pick([], k=1)
    Traceback (most recent call last):
    ValueError: empty
    >>> pick([1, 2])
    [1, 2]
    """
    assert k >= 0, "k is a count"
    if not items:
        raise ValueError("empty")
    try:
        raise TypeError
    except TypeError:
        pass
    _remembered(k)
    best = sorted(items, reverse=True)[:k]
    assert len(best) <= k
    return best
'''
TESTS = """
@given(st.lists(st.integers()), st.integers())
def test_properties(xs, n):
    got = pick(xs, n)
    assert set(got) <= set(xs)
    assert got == xs
    assert pick([5], 1) == [5]

def test_empty():
    with pytest.raises(ValueError):
        pick([], 3)
"""
STANDARD_ONLY = PICK.replace("from hypothesis import given, strategies as st\n", "")


async def test_head_docstring_raises_and_effects_are_read(reverse: Reverse):
    read = await reverse.read(STANDARD_ONLY)
    head = read.ir.signature
    assert head.to_source() == ("def pick(items: list[int], k: int = 2, name: str | None = None) -> list[int]")
    assert [p.description for p in head.parameters] == ["numbers to pick from", "how many", ""]
    assert head.raises == [
        "ValueError",
        "IndexError",
        "KeyError",
        "AssertionError",
    ]  # `assert k >= 0` is of an argument
    assert (read.ir.intent.summary, read.ir.intent.rationale) == (
        "Pick the largest numbers.",
        "The rest is of no use.",
    )
    assert read.ir.effects == ["global_state"]
    assert read.ir.metadata.origin == "code"
    assert read.usage.completion_tokens == 0
    assert read.timing.total_s == 0


async def test_examples_and_assertions_are_kept_when_they_hold_and_are_holes_when_not(reverse: Reverse):
    # Without the decorator the source needs the standard library alone, which is all that a sandbox has.
    source = STANDARD_ONLY + TESTS.replace("@given(st.lists(st.integers()), st.integers())\n", "")
    ir = (await reverse.read(source)).ir
    assert [(e.arguments, e.result, e.raises) for e in ir.examples] == [
        (["[3, 1, 2]", "2", "None"], "[3, 2]", None),
        (["[]", "1", "None"], None, "ValueError"),
        (["[5]", "1", "None"], "[5]", None),
        (["[]", "3", "None"], None, "ValueError"),
    ]
    assert [a.expression for a in ir.assertions] == ["k >= 0", "len(result) <= k", "set(result) <= set(items)"]
    holes = {hole.id: hole for hole in ir.holes}
    assert set(holes) == {"form", "example-3", "assertion-4"}
    assert holes["example-3"].suggestions == ["pick([1, 2], 2, None) == [2, 1]", "pick([1, 2], 2, None) == [1, 2]"]
    assert "does not hold for every input" in holes["assertion-4"].question
    assert not ir.open_holes


async def test_what_cannot_be_run_is_not_believed(reverse: Reverse):
    ir = (await reverse.read("import no_such_module\n" + STANDARD_ONLY)).ir
    assert (ir.examples, ir.assertions) == ([], [])
    assert all("could not be tried (ModuleNotFoundError" in hole.question for hole in ir.holes if hole.id != "form")
    assert len(ir.holes) == 6


async def test_what_has_no_annotation_gets_a_type_and_a_hole(reverse: Reverse):
    ir = (
        await reverse.read(
            "def f(a, b=1, c=None):\n    'Do.'\n    return a\n\ndef test_f():\n    assert f('x') == 'x'\n"
        )
    ).ir
    assert ir.signature.to_source() == "def f(a: str, b: int = 1, c: None = None) -> str"
    assert {hole.id: hole.suggestions for hole in ir.holes} == {
        "type-0": ["str"],
        "type-1": ["int"],
        "type-2": ["None"],
        "type-returns": ["str"],
    }
    unknown = (await reverse.read("def f(a):\n    'Do.'\n    return a\n")).ir
    assert unknown.signature.to_source() == "def f(a: object) -> object"


async def test_without_docstring_and_model_what_it_is_for_is_an_open_question(reverse: Reverse):
    ir = (await reverse.read("def count_words(text: str) -> int:\n    return len(text.split())\n")).ir
    assert [(hole.id, hole.kind) for hole in ir.open_holes] == [("purpose", "intent")]
    assert ir.intent.summary == "count words"
    assert ir.metadata.provenance["/intent"].confidence == 0


@pytest.mark.parametrize(
    ("body", "effects"),
    [
        ("return open(p).read()", ["filesystem"]),
        ("return requests.get(p).text", ["network"]),
        ("return req.urlopen(p)", ["network"]),
        ("return now()", ["clock"]),
        ("return rnd.random() + time.time()", ["clock", "randomness"]),
        ("print(p)", ["output"]),
        ("SEEN.add(p)", ["global_state"]),
        ("global COUNT\n    COUNT = p", ["global_state"]),
        ("SEEN = set()\n    SEEN.add(p)", []),
        ("open = p\n    open(p)", []),
        ("sub.run(p)", ["process"]),
        ("return os.environ['A']", ["global_state"]),
        ("return pathlib.Path(p).read_text()", ["filesystem"]),
        ("return helper(p)", ["randomness"]),
        ("return math.sqrt(p)", []),
    ],
)
async def test_effects_are_by_what_is_called(reverse: Reverse, body: str, effects: list[str]):
    source = f"""
import math, os, pathlib, requests, time, random as rnd, subprocess as sub, urllib.request as req
from time import time as now
SEEN = set()
COUNT = 0
def helper(p):
    return rnd.random()
def f(p: str):
    'Do.'
    {body}
"""
    assert (await reverse.read(source, name="f")).ir.effects == effects


@pytest.mark.parametrize(
    ("source", "pointer", "reason"),
    [
        ("def f(:\n", "/source", "line 1"),
        ("x = 1\n", "/source", "no function"),
        ("def f(): ...\ndef g(): ...\n", "/name", "f, g"),
        ("def f(a, **b):\n  return a.b\x00", "/source", "not Python"),
        (f"def f():\n  return {'(' * 5000}1{')' * 5000}\n", "/source", ""),
        (f"def f():\n  return {'-' * 50000}1\n", "/source", ""),
        ("class A:\n  def f(self): ...\n", "/source", "no function"),
        (f"def f({', '.join(f'a{i}' for i in range(30))}): ...\n", "/source", "20"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_its_place(reverse: Reverse, source: str, pointer: str, reason: str):
    with pytest.raises(Refused) as refusal:
        await reverse.read(source)
    assert refusal.value.pointer == pointer
    assert reason in refusal.value.reason


async def test_the_one_that_others_do_not_call_is_meant_and_a_name_says_another(reverse: Reverse):
    helper = "def helper(x: int) -> int:\n    'Help.'\n    return x\n"
    source = f"{helper}def main(x: int) -> int:\n    'Do.'\n    return helper(x)\n"
    assert (await reverse.read(source)).ir.signature.name == "main"
    assert (await reverse.read(source, name="helper")).ir.signature.name == "helper"
    with pytest.raises(Refused, match="no function 'other'"):
        await reverse.read(source, name="other")


async def test_forms_of_docstrings(reverse: Reverse):
    numpy = (
        "Do it.\n\n    Parameters\n    ----------\n    a : int\n        how many\n\n"
        "    Raises\n    ------\n    KeyError\n        never\n    "
    )
    sphinx = "Do it.\n\n    :param int a: how\n        many\n    :raises KeyError: never\n    "
    for docstring in (numpy, sphinx):
        ir = (await reverse.read(f'def f(a: int) -> int:\n    """{docstring}"""\n    return a\n')).ir
        assert ir.intent.summary == "Do it."
        assert ir.intent.rationale == ""
        assert ir.signature.parameters[0].description == "how many"
        assert ir.signature.raises == ["KeyError"]


CLAMPED = IntermediateRepresentation.model_validate(
    {
        "intent": {"summary": "Keep a number between two others."},
        "signature": {
            "name": "clamp",
            "parameters": [
                {"name": "x", "type": "int", "description": "the number"},
                {"name": "low", "type": "int"},
                {"name": "high", "type": "int", "default": "10"},
            ],
            "returns": "int",
            "raises": ["ValueError"],
        },
        "assertions": [{"expression": "result >= low"}, {"expression": "result <= high"}],
        "examples": [
            {"arguments": ["12", "0", "10"], "result": "10"},
            {"arguments": ["-3", "0", "10"], "result": "0"},
            {"arguments": ["1", "5", "2"], "raises": "ValueError"},
        ],
    }
)
CLAMP = '''
def clamp(x: int, low: int, high: int = 10) -> int:
    """Keep a number between two others.

    Args:
        x: the number

    >>> clamp(12, 0)
    10
    >>> clamp(-3, 0, 10)
    0
    >>> clamp(1, 5, 2)
    Traceback (most recent call last):
    ValueError: low is above high
    """
    if low > high:
        raise ValueError("low is above high")
    kept = max(low, min(high, x))
    assert kept >= low
    assert kept <= high
    return kept
'''


async def test_there_and_back_keeps_signature_examples_and_assertions(reverse: Reverse):
    back = (await reverse.read(CLAMP)).ir
    assert back.intent.summary == CLAMPED.intent.summary
    assert back.signature == CLAMPED.signature
    assert back.examples == CLAMPED.examples
    assert [a.expression for a in back.assertions] == [a.expression for a in CLAMPED.assertions]
    assert back.holes == []
    assert back.effects == []


async def test_a_function_that_asserts_its_arguments_holds_what_is_read_off_it(reverse: Reverse, settings: Settings):
    source = (
        "def between(x: int, low: int, high: int) -> int:\n"
        "    assert low <= high, 'a range'\n    return max(low, min(high, x))\n"
    )
    ir = (await reverse.read(source)).ir
    assert ir.signature.raises == ["AssertionError"]
    assert [assertion.expression for assertion in ir.assertions] == ["low <= high"]
    assert (await verify(source, ir, ProcessSandbox(settings.sandbox))).passed
