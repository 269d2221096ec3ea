"""200 streaming clients for ten minutes over loopback: `python -m proofs endurance [--minutes N]`.

220 clients of ten users, of whom each may have 20 generations at once, so that the server's 200 places are always
taken; one user has twice as many clients as the others. Of twenty clients twelve read at once, four slowly, and four go
away at random points; four more stop reading and never come back. Every 20 s a crowd of 60 comes on top. In the end all
leave at once, and then nothing may be left of them. Prints the table, writes bench/results/endurance.json.
"""

import asyncio
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from proofs.endurance.figures import Figures, figures_of
from proofs.endurance.held import Held, held, tokens_by_user
from proofs.endurance.load import Course, load
from proofs.endurance.people import USERS, people
from proofs.product import ROOT, Product

MINUTES = 10.0
WARM_UP_S = 300.0
"""The engine's memory grew by 80 MiB in the first five minutes of a full load, and by 11 in the five after them."""
SETTLES_S = 180.0
"""Until everything of a client is gone that stopped reading: a minute in the product, two in the kernel."""
RESULT = ROOT / "bench" / "results" / "endurance.json"

GROWTH_MIB = 64
"""Of each process, from the end of the warm-up to the end: what allocators keep differs by some tens."""
MORE_TASKS, MORE_FILES = 3, 40
"""Tasks of the kept connections to the database's gateway, and the connections themselves, which are pooled."""
LEAST_FAIRNESS = 0.9
LONGEST_REFUSAL_S, LONGEST_HEALTH_S = 5.0, 5.0
LEAST_PACE = 0.5
"""Of the usual tokens a second while a crowd is being refused."""
SLOWER = 4.0


@dataclass(frozen=True)
class After:
    """What was held when all had left, how long it took to be back, and a normal request's seconds before and after."""

    held: Held
    settled_s: float
    normal_before_s: float
    normal_after_s: float


async def prove(server: Product, minutes: float = MINUTES) -> bool:
    """Whether everything came back, everybody got their share, and what was refused was refused as promised."""
    operator = server.token(await server.user(), app_metadata={"operator": True})
    users = await people(server)
    (crowd,) = await people(server, 1, at_once=1_000)
    async with load(server, users, crowd, operator, WARM_UP_S):
        pass  # what is made once, and kept, is made here
    before, _ = await _settled(server, operator, None)
    usual = await _normal_s(server)
    tokens = await tokens_by_user(server)
    seconds = minutes * 60
    async with load(server, users, crowd, operator, seconds) as course:
        after, settled_s = await _settled(server, operator, before)
    written = await tokens_by_user(server)
    shares = [written.get(person.user_id, 0) - tokens.get(person.user_id, 0) for person in users]
    rest = After(after, settled_s, usual, await _normal_s(server))
    figures = figures_of(course, shares, seconds)
    faults = [*_left_behind(before, rest), *_misbehaved(course, figures, server)]
    _print(course, figures, before, rest)
    print(f"{len(faults)} faults", *faults[:40], sep="\n  ")
    await asyncio.to_thread(_write, course, figures, before, rest, faults)
    return not faults


async def _settled(server: Product, operator: str, before: Held | None) -> tuple[Held, float]:
    """What is held when nothing changes any more, or `SETTLES_S` are over; and how long that took."""
    began = time.monotonic()
    while True:
        now = await held(server, operator)
        seconds = time.monotonic() - began
        if seconds > SETTLES_S or not _in_progress(before, now):
            return now, seconds
        await asyncio.sleep(1)


def _in_progress(before: Held | None, now: Held) -> list[str]:
    """What is held that belongs to a request, or is more than before."""
    found = {
        "connections": now.connections,
        "engine's running sequences": now.engine_running,
        "engine's waiting sequences": now.engine_waiting,
        "reservations": now.reservations,
        "USD reserved": now.reserved_usd,
    }
    left = [f"{amount} {name}" for name, amount in found.items() if amount]
    if before is not None and now.all_tasks > before.all_tasks + MORE_TASKS:
        left.append(f"{now.all_tasks} tasks, before {before.all_tasks}: {now.tasks}")
    if before is not None and now.files > before.files + MORE_FILES:
        left.append(f"{now.files} files, before {before.files}")
    return left


def _left_behind(before: Held, after: After) -> list[str]:
    faults = [f"left behind: {what}" for what in _in_progress(before, after.held)]
    if after.held.expired:
        faults.append(f"{after.held.expired} reservations were never settled")
    for name, mib in after.held.memory_mib.items():
        grown = mib - before.memory_mib.get(name, 0)
        if grown > GROWTH_MIB:
            faults.append(f"memory of {name}: {grown:+} MiB")
    if after.normal_after_s > max(SLOWER * after.normal_before_s, 1.0):
        faults.append(f"a normal request: {after.normal_after_s:.2f} s, before {after.normal_before_s:.2f} s")
    return faults


def _misbehaved(course: Course, figures: Figures, server: Product) -> list[str]:
    faults = [*course.health_faults]
    for this in (*course.streams, *course.crowd):
        if this.how == "broken":
            faults.append(f"{this.manner}: {this.status}: {this.said[:300]}")
        elif this.how == "refused" and this.retry_after is None:
            faults.append(f"{this.status} without Retry-After: {this.said[:300]}")
    bounds = [
        ("a refusal, p99", figures.refusal_s["p99"], LONGEST_REFUSAL_S),
        ("GET /health, p99", figures.health_s["p99"], LONGEST_HEALTH_S),
    ]
    faults += [f"{what}: {value:.1f} s, more than {most} s" for what, value, most in bounds if value > most]
    if figures.fairness < LEAST_FAIRNESS:
        faults.append(f"Jain's index of the users' tokens is {figures.fairness:.3f}")
    if figures.pace_in_crowds < LEAST_PACE:
        faults.append(f"while a crowd is refused the others get {figures.pace_in_crowds:.0%} of their usual tokens")
    if unexpected := server.log().count('"event": "unexpected error"'):
        faults.append(f"{unexpected} unexpected errors in the log")
    return faults


async def _normal_s(server: Product) -> float:
    return statistics.median([await server.normal_s() for _ in range(5)])


def _print(course: Course, figures: Figures, before: Held, after: After) -> None:
    for name, value in asdict(figures).items():
        told = ", ".join(f"{k} {_told(v)}" for k, v in value.items()) if isinstance(value, dict) else _told(value)
        print(f"{name.replace('_', ' '):28} {told}")
    print(f"{'most connections':28} {course.most_connections}")
    print(f"{'all gone after':28} {after.settled_s:.1f} s")
    print(f"{'a normal request':28} {after.normal_before_s:.2f} s before, {after.normal_after_s:.2f} s after")
    moments = [("before", before), ("at work", course.at_work), ("after", after.held)]
    columns = ("tasks", "threads", "clients", "files", "running", "waiting", "reserved")
    print(f"{'':10}" + "".join(f"{name:>9}" for name in columns) + "  MiB")
    for name, now in moments:
        if now is not None:
            memory = ", ".join(f"{role} {mib}" for role, mib in sorted(now.memory_mib.items()))
            counts = (now.all_tasks, now.threads, now.connections, now.files)
            numbers = (*counts, now.engine_running, now.engine_waiting, now.reservations)
            print(f"{name:10}" + "".join(f"{number:>9}" for number in numbers) + f"  {memory}")


def _told(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) and value < 100 else f"{value:.0f}" if value is not None else "-"


def _write(course: Course, figures: Figures, before: Held, after: After, faults: Sequence[str]) -> None:
    document = {
        "users": USERS,
        "cores": os.cpu_count(),
        "figures": asdict(figures),
        "before": asdict(before),
        "at_work": asdict(course.at_work) if course.at_work else None,
        "after": asdict(after),
        "memory_mib_every_10_s": course.memory_mib,
        "faults": faults,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(document, indent=2))
