"""`python -m bench.web_tier [--rounds N] [--requests N]`: the web tier alone, before an engine that answers at once.

Requests/s per core are requests for each second that the server's process tree was on a processor: other work on the
machine slows the rounds, and changes that figure little. Prints tables, writes bench/results/web_tier.json.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop

from bench.database_stack import Stack, started
from bench.web_tier.litellm_proxy import litellm
from bench.web_tier.load import closed_loop
from bench.web_tier.measuring import Row, capacities, latencies, medians, ratio
from bench.web_tier.phases import FILE
from bench.web_tier.servers import OTHER_CORES, caller_with_key, place_of, serving

RESULT = Path(__file__).resolve().parents[2] / "bench" / "results" / "web_tier.json"
NAMES = ("ours", "bare_with_database", "bare")
USERS = 8
APART = "ours, 8 users"
"""One for each client: what they cost is settled for each of them apart."""

KEEPS_UP = 0.6
"""Of what litellm's proxy reaches in the closed loop: there it still keeps up."""

IN_PHASES = 1000
"""Requests, one at a time, whose steps are measured: twenty settlings of fifty."""

WARM = 1000
"""A server's first hundred requests cost it three times as much: what it loads and starts beside them is counted."""


async def measure(stack: Stack, directory: Path, options: Any) -> dict[str, Any]:
    caller, key = await caller_with_key(stack)
    place = place_of(stack, caller, directory)
    async with AsyncExitStack() as life:
        servers = [await life.enter_async_context(serving(name, place, key)) for name in NAMES]
        others = [(await caller_with_key(stack))[1] for _ in range(USERS - 1)]
        apart = serving("ours", place, key, called=APART, others=others)
        servers.append(await life.enter_async_context(apart))
        servers.append(await life.enter_async_context(litellm(directory)))
        rounds = await capacities(servers, options.rounds, options.requests)
        rows = {name: medians(these) for name, these in rounds.items()}
        rate = rows["litellm"]["requests_s"] * KEEPS_UP
        times = await latencies(servers, max(3, options.rounds // 2), per_second=rate, seconds=options.seconds)
    for name, row in rows.items():
        row.update(times[name], requests_s_core=round(1e6 / row["us_each"], 1))
    async with serving("ours_in_phases", place, key) as server:
        await closed_loop(server.target, clients=1, requests=WARM)
        os.kill(server.pid, signal.SIGUSR1)
        await closed_loop(server.target, clients=1, requests=IN_PHASES)
    spent = json.loads((directory / FILE).read_text())
    phases = {name: round(seconds / IN_PHASES * 1e6, 1) for name, seconds in spent.items()}
    return {
        "rows": rows,
        "import": await asyncio.to_thread(_import_cost),
        "rate_s": round(rate, 1),
        "phases_us": {**phases, "all": round(sum(phases.values()), 1)},
        "litellm_to_ours": ratio(rounds["litellm"], rounds["ours"]),
        "litellm_to_ours_users": ratio(rounds["litellm"], rounds[APART]),
        "ours_to_bare_with_database": ratio(rounds["ours"], rounds["bare_with_database"]),
        "p50_to_litellm": round(times["ours"]["p50_ms"] / times["litellm"]["p50_ms"], 3),
        "p99_to_litellm": round(times["ours"]["p99_ms"] / times["litellm"]["p99_ms"], 3),
    }


def _import_cost() -> Row:
    """What the deployed web tier's modules take: it is a cold start's cost too."""
    script = (
        "import json, time; began = time.process_time(); import endpoints.deployed;"
        " resident = open('/proc/self/status').read().partition('VmRSS:')[2].split()[0];"
        " print(json.dumps({'processor_s': time.process_time() - began, 'resident_mib': int(resident) / 1024}))"
    )
    command = [sys.executable, "-c", script]
    runs = [subprocess.run(command, capture_output=True, check=True) for _ in range(5)]  # noqa: S603 - our own
    return medians([json.loads(run.stdout) for run in runs])


def show(figures: dict[str, Any]) -> None:
    at = f"ms at {figures['rate_s']}/s: p50, p95, p99"
    print(f"{'':20}{'us each':>9}{'/s and core':>13}{'database us':>13}{'MiB':>6}   {at}")
    for name, row in figures["rows"].items():
        print(
            f"{name:20}{row['us_each']:>9.0f}{row['requests_s_core']:>13.0f}{row['database_us_each']:>13.0f}"
            f"{row['resident_mib']:>6.0f}   {row['p50_ms']:.1f}, {row['p95_ms']:.1f}, {row['p99_ms']:.1f}"
        )
    print("\nOurs, one request at a time, us: " + ", ".join(f"{k} {v:.0f}" for k, v in figures["phases_us"].items()))
    print("\nImport of endpoints.deployed: {processor_s:.2f} s, {resident_mib:.0f} MiB".format(**figures["import"]))
    print(f"\nrequests/s and core, ours / litellm       {figures['litellm_to_ours']:>7}   wanted >= 5")
    print(f"the same, 8 users                         {figures['litellm_to_ours_users']:>7}   wanted >= 5")
    print(f"processor time, ours / bare with database {figures['ours_to_bare_with_database']:>7}   wanted <= 3")
    print(f"p50, ours / litellm                       {figures['p50_to_litellm']:>7}   wanted <= 0.5")
    print(f"p99, ours / litellm                       {figures['p99_to_litellm']:>7}   wanted <= 0.5")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    with tempfile.TemporaryDirectory(prefix="lift-sys-bench-") as directory:
        async with started(Path(directory)) as stack:
            figures = await measure(stack, Path(directory), options)
    show(figures)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    uvloop.run(main())
