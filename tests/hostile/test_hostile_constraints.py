"""No constraint kills, hangs or slows the validator; each is answered as its class says, with a pointer."""

import asyncio
import json
from itertools import count
from pathlib import Path

import pytest

from functions.failures import ConstraintRefused, Unavailable
from functions.generation import Constraint
from functions.validation import ConstraintValidator, Refusal, Verdict
from tests.hostile.corpus import Case, corpus

CASES = corpus()
unique = count()


async def judged(validator: ConstraintValidator, constraint: Constraint) -> Verdict | Refusal:
    while True:
        try:
            return await validator.check(constraint)
        except ConstraintRefused as refused:
            return Refusal(refused.pointer, refused.reason)
        except Unavailable:  # the machine that tests run on is busy; nothing was decided
            await asyncio.sleep(0.5)


def a_good_constraint() -> Constraint:
    properties = {f"p{next(unique)}": {"type": "string", "maxLength": 10}}
    return Constraint.of("json_schema", {"type": "object", "properties": properties})


def resolves(document: str, pointer: str) -> bool:
    if pointer == "":
        return True
    value = json.loads(document)
    for part in pointer.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        value = value[int(name)] if isinstance(value, list) else value[name]
    return True


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_hostile_constraint_is_answered_and_the_next_one_too(validator: ConstraintValidator, case: Case):
    constraint = case.constraint
    answer = await judged(validator, constraint)
    if case.refused_at is None:
        assert isinstance(answer, Verdict), answer
    else:
        assert isinstance(answer, Refusal), answer
        assert case.refused_at in ("*", answer.pointer), answer
        assert resolves(constraint.source, answer.pointer), answer
        assert 0 < len(answer.reason) <= 500, answer
        assert answer.reason.isprintable(), answer
    assert isinstance(await judged(validator, a_good_constraint()), Verdict)


def test_the_corpus_is_large():
    assert len(CASES) >= 150


async def test_slow_constraints_in_all_processes_leave_room_for_good_ones(validator: ConstraintValidator):
    def slow() -> Constraint:
        coprime = [{"type": "integer", "multipleOf": n} for n in (97, 89, 83)]
        return Constraint.of("json_schema", {"allOf": coprime, "title": str(next(unique))})

    attack = [asyncio.ensure_future(judged(validator, slow())) for _ in range(4)]
    await asyncio.sleep(0)
    good = [asyncio.ensure_future(judged(validator, a_good_constraint())) for _ in range(10)]
    done, _ = await asyncio.wait([*attack, *good], return_when=asyncio.FIRST_COMPLETED)
    while not all(task.done() for task in good):
        assert not any(task.done() for task in attack), "a good constraint waited for a hostile one"
        await asyncio.wait([task for task in good if not task.done()], return_when=asyncio.FIRST_COMPLETED)
    assert done
    assert all(isinstance(task.result(), Verdict) for task in good)
    assert all(isinstance(answer, Refusal) for answer in await asyncio.gather(*attack))


def private_mib(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # replaced meanwhile
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) // 1024


async def test_memory_returns(validator: ConstraintValidator):
    for n in range(40):
        await judged(validator, Constraint.of("regex", f"x{n}((a|b|ab){{1,100}}){{1,100}}(c{{1,9}}|b){{1000}}"))
        await judged(validator, Constraint.of("regex", f"x{n}" + "a?" * 400 + "a" * 400))
    assert validator.processes
    assert all(private_mib(pid) < 100 for pid in validator.processes)
