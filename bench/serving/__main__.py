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

from bench.serving.caches import line, saved
from bench.serving.client import Server, measure
from bench.serving.report import Cell, document, table, wanted
from bench.serving.servers import ROOT, NotStartedError, litellm, ours, vllm
from bench.serving.workload import KINDS, digest
from infra.settings import load_settings

REQUESTS = {1: 4, 8: 16, 32: 32}
APART = 83_160
"""Between one server's prompts and the next one's: two have an engine in common, whose cache would know the second's.

The words that depend on the number are the same, as it is divisible by what they are chosen by.
"""
_PAST_ALL = 600_000
"""A number that no request of the rounds has."""
WARM_UP = 4
RESULT = ROOT / "bench" / "results" / "serving.json"


async def main() -> None:
    arguments = _arguments()
    settings = load_settings("local").engine
    model = (ROOT / ".local" / "model").resolve()
    with tempfile.TemporaryDirectory(prefix="lift-sys-serving-") as name:
        async with AsyncExitStack() as life:
            directory = Path(name)
            _say("starting the servers (a minute on two free cores) ...")
            servers = await asyncio.gather(
                life.enter_async_context(ours(directory, model)),
                life.enter_async_context(vllm(directory, model, settings)),
            )
            if not arguments.without_litellm:
                servers.append(await life.enter_async_context(litellm(directory, servers[1])))
            cells = await _rounds(servers, arguments)
            print(table(cells), wanted(cells), sep="\n\n", flush=True)
            caches: dict[str, dict[str, float]] = {}
            for place, server in enumerate(servers if not arguments.quick else []):
                caches[server.name] = await saved(server, _PAST_ALL + APART * place, arguments.cached)
    if caches:
        print("\n| first token ms of a specification | nothing shared | few-shots shared | the same again |")
        print("|---|---|---|---|")
        print("\n".join(line(name, row) for name, row in caches.items()))
    errors = {row["an_error"] for cell in cells for s in cell.rounds if (row := cell.figures(s))["an_error"]}
    for error in errors:
        _say(f"an error: {error}")
    if not arguments.no_result and not arguments.without_litellm:
        head = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": f"{os.cpu_count()} cores, no GPU, {platform.machine()}",
            "rounds": arguments.rounds,
            "requests": digest(),
        }
        RESULT.parent.mkdir(exist_ok=True)
        RESULT.write_text(json.dumps(head | {"cells": document(cells), "caches": caches}, indent=1) + "\n")


async def _rounds(servers: list[Server], arguments: argparse.Namespace) -> list[Cell]:
    cells = [Cell(kind, at_once) for at_once in arguments.concurrency for kind in arguments.kinds]
    number = arguments.first
    for kind in arguments.kinds:  # grammars are compiled, code paths and connections opened
        for server in servers:
            await measure(server, [KINDS[kind](n) for n in range(number, number + WARM_UP)], WARM_UP)
        number += WARM_UP
    began = time.monotonic()
    for turn in range(arguments.rounds):
        order = servers[turn % len(servers) :] + servers[: turn % len(servers)]
        for cell in cells:
            count = max(cell.concurrency, REQUESTS.get(cell.concurrency, cell.concurrency) // arguments.fewer)
            if time.monotonic() - began > arguments.minutes * 60:
                _say("the time is over: what is left of the rounds is not run")
                return _asked(cells, servers)
            for server in order:
                own = number + APART * servers.index(server)
                bodies = [KINDS[cell.kind](n) for n in range(own, own + count)]
                done = await measure(server, bodies, cell.concurrency)
                cell.rounds.setdefault(server.name, []).append(done)
            number += count
            _say(f"round {turn + 1}, {cell.kind}, {cell.concurrency} at once ({time.monotonic() - began:.0f} s)")
    return _asked(cells, servers)


def _asked(cells: list[Cell], servers: list[Server]) -> list[Cell]:
    """Those with at least one round, the servers in one order."""
    asked = [cell for cell in cells if cell.rounds]
    for cell in asked:
        cell.rounds = {server.name: cell.rounds[server.name] for server in servers}
    return asked


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--servers", nargs="+", choices=["ours", "vllm", "litellm"], default=["ours", "vllm", "litellm"]
    )
    parser.add_argument("--kinds", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--concurrency", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--minutes", type=float, default=12, help="no round of a cell begins after so long")
    parser.add_argument("--fewer", type=int, default=1, help="divides the requests of each round")
    parser.add_argument("--cached", type=int, default=5, help="requests of each kind that the caches are tried with")
    parser.add_argument(
        "--first", type=int, default=100_000, help="number of the first request; another one, other prompts"
    )
    parser.add_argument("--without-litellm", action="store_true")
    parser.add_argument("--quick", action="store_true", help="one round, without litellm, 1 and 8 at once")
    parser.add_argument("--no-result", action="store_true", help="leave bench/results as it is")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.concurrency, arguments.without_litellm = 1, [1, 8], True
    return arguments


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except NotStartedError as failure:
        sys.exit(str(failure))
