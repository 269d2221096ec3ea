"""The corpus against the running product: `python -m proofs hostile`.

After each batch a normal request has to be answered in its usual time, by the same processes. Memory that is taken the
first time may be kept (arenas, caches, buffers for the longest prompt); the same inputs again must not take more.
Prints the table of families, and every input whose answer was another.
"""

import asyncio
import re
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from proofs.endurance.held import memory_mib
from proofs.hostile.corpus import corpus
from proofs.hostile.inputs import Input
from proofs.hostile.sending import Outcome, send
from proofs.product import Product

BATCH, AT_ONCE = 16, 8
BUSY, COMING_AGAIN = 503, 30
"""A machine too busy to try a constraint in time says so, and decides nothing: one comes again, as it says."""
SLOWER = 4.0
"""So many times its usual time a normal request may take right after a batch; the best of three counts."""
FIRST_OF_EACH = ("schema", "compile", "check", "extract", "reverse", "archive")
AGAIN_LARGEST, AGAIN_EACH = 300, 5
"""Of the inputs that are sent again: so many of the largest, and every fifth of the others."""
GROWTH_MIB = 64
"""By which each process may have grown when inputs have come again: what allocators keep differs by some tens."""


async def run_batch(server: Product, batch: Sequence[Input]) -> list[Outcome]:
    """All of a batch, some at once; in order."""
    address = urlsplit(server.url)
    turns = asyncio.Semaphore(AT_ONCE)

    async def in_turn(one: Input) -> Outcome:
        async with turns:
            for _ in range(COMING_AGAIN):
                outcome = await send(address.hostname or "", address.port or 0, server.key, one)
                if outcome.status != BUSY or "retry-after" not in outcome.head:
                    break
                await asyncio.sleep(1)
            return outcome

    return list(await asyncio.gather(*map(in_turn, batch)))


@dataclass(frozen=True)
class Course:
    """How the corpus went, batch by batch: seconds of a normal request after each, and what was wrong."""

    outcomes: list[Outcome]
    after: list[float]
    faults: list[str]


async def prove(server: Product) -> bool:
    """Whether every input got its answer and left the server as it was."""
    inputs = corpus()
    await server.normal_s()
    # Processes that begin with the first who needs them, and stay, are none that leak.
    await run_batch(server, [next(one for one in inputs if one.name.startswith(word)) for word in FIRST_OF_EACH])
    usual = statistics.median([await server.normal_s() for _ in range(9)])
    before = memory_mib(server)
    began = time.monotonic()
    course = await _all_batches(server, inputs, usual)
    seconds = time.monotonic() - began
    first = await _memory_at_rest(server)
    again = await _all_batches(server, _again(inputs), usual)
    second = await _memory_at_rest(server)
    faults = [*course.faults, *again.faults]
    for role, mib in second.items():
        if mib - first[role] > GROWTH_MIB:
            faults.append(f"memory of {role} has grown by {mib - first[role]} MiB with what had come before")
    if unexpected := server.log().count('"event": "unexpected error"'):
        faults.append(f"{unexpected} unexpected errors in the log")
    _print_table(course.outcomes)
    print(f"{'all':18} {len(inputs):6}  in {seconds:.0f} s")
    print(f"a normal request: usually {usual:.2f} s; after a batch {statistics.median(course.after):.2f} s", end="")
    print(f" (median), at most {max(course.after):.2f} s")
    print(f"{len(again.outcomes)} of them again")
    for role, mib in sorted(before.items()):
        print(f"memory of {role}: {mib} MiB before, {first[role]} after, {second[role]} after what came again")
    print(f"{len(faults)} faults", *faults, sep="\n  ")
    return not faults


def _again(inputs: Sequence[Input]) -> list[Input]:
    by_size = sorted(inputs, key=lambda one: sum(map(len, one.pieces)), reverse=True)
    return [*by_size[:AGAIN_LARGEST], *by_size[AGAIN_LARGEST::AGAIN_EACH]]


async def _memory_at_rest(server: Product) -> dict[str, int]:
    await asyncio.sleep(5)  # what was begun for clients that went away ends
    return memory_mib(server)


async def _strangers_are_looked_at(server: Product, requests: int) -> None:
    """Return when so many requests without credentials will be looked at, and not refused by the address's rate.

    Whatever was proved before has taken from the same rate.
    """
    async with server.client() as client:
        while True:
            answer = await client.get("/api/ir/schema")
            left = re.search(r'"anonymous";r=(\d+)', answer.headers["ratelimit"])
            if left and int(left.group(1)) >= requests:
                return
            await asyncio.sleep(1)


async def _all_batches(server: Product, inputs: Sequence[Input], usual: float) -> Course:
    await _strangers_are_looked_at(server, sum(one.family == "credentials" for one in inputs))
    course = Course([], [], [])
    lasting = {server.pid, max(server.processes().items(), key=lambda item: item[1])[0]}  # the server, the engine
    for start in range(0, len(inputs), BATCH):
        batch = inputs[start : start + BATCH]
        outcomes = await run_batch(server, batch)
        course.outcomes.extend(outcomes)
        for outcome in outcomes:
            if fault := outcome.fault:
                one = outcome.input
                course.faults.append(f"{one.family}: {one.name}: {fault}: {outcome.body[:300]}")
                print(f"  {course.faults[-1]}", flush=True)
            for name, secret in server.secrets().items():
                if secret in outcome.head or secret in outcome.body:
                    course.faults.append(f"{outcome.input.family}: {outcome.input.name}: the answer has {name}")
        took = min([await server.normal_s() for _ in range(3)])
        course.after.append(took)
        print(f"{len(course.outcomes):5} of {len(inputs)}, a normal request: {took:.2f} s", end="\r", flush=True)
        if took > max(SLOWER * usual, 1.0):
            course.faults.append(f"after {batch[-1].name}: a normal request took {took:.2f} s, usually {usual:.2f} s")
        if missing := lasting - set(server.processes()):
            course.faults.append(f"after {batch[-1].name}: processes have died: {missing}")
            break
    return course


def _print_table(outcomes: Sequence[Outcome]) -> None:
    answers = Counter((outcome.input.family, outcome.status) for outcome in outcomes)
    print(f"{'family':18} {'inputs':>6}  answers")
    for family, count in Counter(outcome.input.family for outcome in outcomes).items():
        told = ", ".join(f"{status or 'closed'}: {n}" for (f, status), n in sorted(answers.items()) if f == family)
        print(f"{family:18} {count:6}  {told}")
