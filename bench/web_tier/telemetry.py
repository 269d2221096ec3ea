"""`python -m bench.web_tier.telemetry`: what exporting costs the web tier, by processor time.

The same server three times: without export, with production's share of traces, and with every trace. The thread that
exports is counted; the receiver is a process of its own that answers at once. Wanted: at most 3 % fewer requests/s and
core with production's share.
"""

import argparse
import json
import os
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from bench.database_stack import answering_at_once, started
from bench.web_tier.measuring import capacities, medians, ratio
from bench.web_tier.servers import OTHER_CORES, caller_with_key, place_of, serving
from infra.settings import load_settings

RESULT = Path(__file__).resolve().parents[2] / "bench" / "results" / "telemetry.json"


async def measure(directory: Path, options: Any) -> dict[str, Any]:
    async with AsyncExitStack() as life:
        stack = await life.enter_async_context(started(directory))
        receiver = await life.enter_async_context(answering_at_once())
        caller, key = await caller_with_key(stack)
        off = place_of(stack, caller, directory)
        default = f"traces {load_settings('production').telemetry.sample_ratio:.0%}"
        places = {
            "off": off,
            default: replace(off, receiver=receiver),
            "traces 100%": replace(off, receiver=receiver, sample_ratio=1.0),
        }
        servers = [
            await life.enter_async_context(serving("ours", place, key, called=name)) for name, place in places.items()
        ]
        rounds = await capacities(servers, options.rounds, options.requests)
    rows = {name: medians(these) for name, these in rounds.items()}
    for name, row in rows.items():
        # Fewer requests for the same processor time.
        row["lost"] = round(1 - 1 / ratio(rounds[name], rounds["off"]), 4)
    return rows


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--requests", type=int, default=200)
    options = parser.parse_args()
    os.sched_setaffinity(0, OTHER_CORES)
    with tempfile.TemporaryDirectory(prefix="lift-sys-bench-") as directory:
        rows = await measure(Path(directory), options)
    print(f"{'':14}{'us each':>9}{'requests/s and core lost':>27}")
    for name, row in rows.items():
        print(f"{name:14}{row['us_each']:>9.0f}{row['lost']:>27.1%}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    uvloop.run(main())
