"""Rounds in turns, so that other work on the machine meets every server alike; medians of the rounds."""

import asyncio
import os
import statistics
from collections.abc import Sequence

from bench.web_tier.load import closed_loop, open_loop, percentile
from bench.web_tier.process_time import children, processor_seconds, resident_mib
from bench.web_tier.servers import Server

CLIENTS = 8
Row = dict[str, float]


async def capacities(servers: Sequence[Server], rounds: int, requests: int) -> dict[str, list[Row]]:
    """A closed loop of eight clients, each round of each server: what a request costs it, and the database."""
    taken: dict[str, list[Row]] = {server.name: [] for server in servers}
    for server in servers:
        await closed_loop(server.target, clients=CLIENTS, requests=requests)  # warm
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            taken[server.name].append(await _round(server, servers, requests))
    return taken


async def latencies(servers: Sequence[Server], rounds: int, *, per_second: float, seconds: float) -> dict[str, Row]:
    """Milliseconds at one rate of requests for all, evenly spaced."""
    taken: dict[str, list[Row]] = {server.name: [] for server in servers}
    for number in range(rounds):
        for server in servers if number % 2 else reversed(servers):
            times = await open_loop(server.target, per_second=per_second, seconds=seconds)
            shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
            taken[server.name].append({name: percentile(times, share) * 1000 for name, share in shares.items()})
    return {name: medians(these) for name, these in taken.items()}


def medians(rounds: Sequence[Row]) -> Row:
    """Of each figure."""
    return {name: round(statistics.median(one[name] for one in rounds), 3) for name in rounds[0]}


def ratio(above: Sequence[Row], below: Sequence[Row]) -> float:
    """The median of the rounds' own ratios of processor time."""
    return round(statistics.median(a["us_each"] / b["us_each"] for a, b in zip(above, below, strict=True)), 3)


async def _round(server: Server, servers: Sequence[Server], requests: int) -> Row:
    database = [pid for pid in children(os.getpid()) if pid not in {one.pid for one in servers}]
    before, database_before = processor_seconds(server.pid), sum(map(processor_seconds, database))
    loop = asyncio.get_running_loop()
    began = loop.time()
    await closed_loop(server.target, clients=CLIENTS, requests=requests)
    return {
        "requests_s": requests / (loop.time() - began),
        "us_each": (processor_seconds(server.pid) - before) / requests * 1e6,
        "database_us_each": (sum(map(processor_seconds, database)) - database_before) / requests * 1e6,
        "resident_mib": resident_mib(server.pid),
    }
