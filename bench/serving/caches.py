"""What caches save: the time to the first token with them and without, one request at a time."""

import statistics
from collections.abc import Callable

import aiohttp

from bench.serving.client import TIMEOUT, Server, ask
from bench.serving.workload import Body, specification, specification_alone


async def saved(server: Server, number: int, count: int) -> dict[str, float]:
    """Medians in milliseconds of `count` specifications each; the answers' cache is ours alone.

    `alone` shares nothing with any other, `shared` its system text and few-shots, `again` is the same request.
    """
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session:

        async def median_ms(kind: Callable[[int], Body], first: int) -> float:
            done = [await ask(session, server, kind(first + n)) for n in range(count)]
            if errors := [one.error for one in done if one.error is not None]:
                raise RuntimeError(f"{server.name}: {errors[0]}")
            return round(statistics.median(one.first_s for one in done) * 1e3, 1)

        await ask(session, server, specification(number))
        return {
            "alone": await median_ms(specification_alone, number + 1),
            "shared": await median_ms(specification, number + 1),
            "again": await median_ms(specification, number + 1),
        }


def line(server: str, row: dict[str, float]) -> str:
    """One line of the table in Markdown."""
    return f"| {server} | {row['alone']:.0f} | {row['shared']:.0f} | {row['again']:.0f} |"
