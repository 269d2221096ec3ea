"""Our server over HTTP against `vllm serve`, and LiteLLM's proxy before it: `python -m bench.serving [--quick]`.

All run at once on this machine and idle while another is asked. Each kind of request at each concurrency goes to one
server after the other, in another order every round. Ratios are taken within a round, and their median over the rounds
is reported: other work on the machine disturbs the servers of a round alike. Ours has everything on: API key,
admission, ledger, validation, traces, an Idempotency-Key with each request. Prints the tables and writes
bench/results/serving.json.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path

from bench.serving.client import Server, measure
from bench.serving.report import LITELLM, OURS, VLLM, Cell, document, table, wanted
from bench.serving.servers import ROOT, NotStartedError, litellm, ours, vllm
from bench.serving.workload import KINDS, digest
from infra.settings import load_settings

REQUESTS = {1: 4, 8: 16, 32: 32}
WARM_UP = 4
RESULT = ROOT / "bench" / "results" / "serving.json"


async def main() -> None:
    arguments = _arguments()
    settings = load_settings("local").engine
    model = (ROOT / ".local" / "model").resolve()
    with tempfile.TemporaryDirectory(prefix="lift-sys-serving-") as name:
        async with AsyncExitStack() as life:
            directory = Path(name)
            servers: list[Server] = []
            behind: Server | None = None
            for asked in arguments.servers:
                _say(f"starting {asked} ...")
                match asked:
                    case "ours":
                        servers.append(await life.enter_async_context(ours(directory, model)))
                    case "vllm":
                        behind = await life.enter_async_context(vllm(directory, model, settings))
                        servers.append(behind)
                    case "litellm" if behind is not None:
                        servers.append(await life.enter_async_context(litellm(directory, behind)))
                    case _:
                        sys.exit("litellm needs vllm before it")
            cells = await _rounds(servers, arguments)
    print(table(cells))
    print()
    if {OURS, VLLM} <= {server.name for server in servers}:
        print(wanted(cells))
    errors = {row["an_error"] for cell in cells for s in cell.rounds if (row := cell.figures(s))["an_error"]}
    for error in errors:
        _say(f"an error: {error}")
    if not arguments.no_result and {s.name for s in servers} >= {OURS, VLLM, LITELLM}:
        head = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, no GPU, {platform.machine()}",
            "rounds": arguments.rounds,
            "requests": digest(),
        }
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(head | {"cells": document(cells)}, indent=1) + "\n")


async def _rounds(servers: list[Server], arguments: argparse.Namespace) -> list[Cell]:
    cells = [Cell(kind, at_once) for kind in arguments.kinds for at_once in arguments.concurrency]
    number = arguments.first
    for kind in arguments.kinds:  # grammars are compiled, code paths and connections opened
        for server in servers:
            await measure(server, [KINDS[kind](n) for n in range(number, number + WARM_UP)], WARM_UP)
        number += WARM_UP
    began = time.monotonic()
    for turn in range(arguments.rounds):
        order = servers[turn % len(servers) :] + servers[: turn % len(servers)]
        for cell in cells:
            count = REQUESTS.get(cell.concurrency, cell.concurrency)
            bodies = [KINDS[cell.kind](n) for n in range(number, number + count)]
            number += count
            for server in order:
                done = await measure(server, bodies, cell.concurrency)
                cell.rounds.setdefault(server.name, []).append(done)
            _say(f"round {turn + 1}, {cell.kind}, {cell.concurrency} at once ({time.monotonic() - began:.0f} s)")
    for cell in cells:
        cell.rounds = {server.name: cell.rounds[server.name] for server in servers}
    return cells


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--servers", nargs="+", choices=["ours", "vllm", "litellm"], default=["ours", "vllm", "litellm"]
    )
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--first", type=int, default=1, help="number of the first request; another one, other prompts")
    parser.add_argument("--quick", action="store_true", help="one round, without litellm, 1 and 8 at once")
    parser.add_argument("--no-result", action="store_true", help="leave bench/results as it is")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.concurrency, arguments.servers = 1, [1, 8], ["ours", "vllm"]
    return arguments


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except NotStartedError as failure:
        sys.exit(str(failure))
