"""`python -m bench.web_tier.profile`: function calls a request, which no other work on the machine changes, and whose.

cProfile by the thread's processor time, which weighs calls of Python functions more than they cost: for how much each
part costs there are the phases of `python -m bench.web_tier`. With `--pyspy PROGRAM` (py-spy is no dependency) the same
load is sampled too, without weighing anything: its stacks go to `--stacks FILE`, and shares by package are printed.
"""

import argparse
import asyncio
import cProfile
import os
import pstats
import signal
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop
from fastapi import FastAPI

from bench.database_stack import started
from bench.web_tier.applications import Place, ours
from bench.web_tier.load import closed_loop
from bench.web_tier.servers import OTHER_CORES, caller_with_key, place_of, serving

FILE = "profile.pstats"
WARM, REQUESTS, CLIENTS = 1000, 600, 8
SAMPLED_S, HZ = 10, 200
OURS = ("endpoints", "functions", "infra", "bench")
SHOWN = 30


@asynccontextmanager
async def ours_profiled(place: Place) -> AsyncIterator[FastAPI]:
    """Ours; profiled from SIGUSR1 on."""
    profile = cProfile.Profile(time.thread_time)
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, profile.enable)
    async with ours(place) as app:
        yield app
        profile.disable()
    profile.dump_stats(Path(place.directory) / FILE)


def package_of(file: str) -> str:
    """Ours by its directory, others by their name, the interpreter's own as such."""
    if "/site-packages/" in file:
        return file.partition("/site-packages/")[2].partition("/")[0].removesuffix(".py")
    parts = Path(file).parts
    return next((part for part in parts if part in OURS), "Python")


def show(stats: pstats.Stats) -> None:
    rows: list[tuple[str, str, int, float]] = []
    for (file, line, name), (_, calls, own_s, _, _) in stats.stats.items():  # type: ignore[attr-defined] # it is there
        rows.append((package_of(file), f"{Path(file).name}:{line} {name}", calls, own_s))
    calls, seconds = sum(row[2] for row in rows), sum(row[3] for row in rows)
    print(f"{calls / REQUESTS:.0f} function calls a request\n")
    of_package: Counter[str] = Counter()
    for package, _, _, own_s in rows:
        of_package[package] += own_s  # type: ignore[assignment] # seconds
    for package, own_s in of_package.most_common(15):
        print(f"{own_s / seconds:6.1%}  {package}")
    print()
    for package, where, times, own_s in sorted(rows, key=lambda row: -row[3])[:SHOWN]:
        print(f"{own_s / seconds:6.1%} {times / REQUESTS:7.2f}  {package}: {where}")


def show_stacks(stacks: str) -> None:
    """Lines `frame;frame;… count`, the innermost last. Frames are `function (path:line)`."""
    own: Counter[str] = Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        innermost = frames.rpartition(";")[2]
        own[package_of(innermost.partition("(")[2])] += int(count)
    total = own.total()
    print(f"\npy-spy: {total} samples")
    for package, count in own.most_common(15):
        print(f"{count / total:6.1%}  {package}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pyspy", help="the program")
    parser.add_argument("--stacks", type=Path, default=Path("stacks.txt"))
    options = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    with tempfile.TemporaryDirectory(prefix="lift-sys-bench-") as name:
        directory = Path(name)
        async with started(directory) as stack:
            caller, key = await caller_with_key(stack)
            place = place_of(stack, caller, directory)
            async with serving("ours_profiled", place, key) as server:
                await closed_loop(server.target, clients=CLIENTS, requests=WARM)
                os.kill(server.pid, signal.SIGUSR1)
                await closed_loop(server.target, clients=CLIENTS, requests=REQUESTS)
            show(pstats.Stats(str(directory / FILE)))
            if options.pyspy:
                async with serving("ours", place, key) as server:
                    await closed_loop(server.target, clients=CLIENTS, requests=WARM)
                    spy = await asyncio.create_subprocess_exec(
                        options.pyspy, "record", "--pid", str(server.pid), "--format", "raw", "--full-filenames",
                        "--rate", str(HZ), "--duration", str(SAMPLED_S), "--output", str(options.stacks),
                    )  # fmt: skip
                    while spy.returncode is None:
                        await closed_loop(server.target, clients=CLIENTS, requests=REQUESTS)
                        await asyncio.sleep(0)
                show_stacks(options.stacks.read_text())


if __name__ == "__main__":
    uvloop.run(main())
