"""What drafts of tokens that a grammar forces gain, and what they cost: `python -m bench.forced_tokens [--rounds N]`.

Two engines, one with `forced_tokens` and one without, asked in turns for the same: specifications as the product asks
for them, objects of a JSON schema, code under the Python grammar, free text; one at a time and eight at once. Ratios
are taken within a round, and their median is reported. Processor time is that of the engines' processes, from Linux's
books. Prints one table and writes it to bench/results/forced_tokens.json.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.serving import workload
from functions.constraints import function_grammar
from functions.engine import Engine
from functions.generation import Constraint, Delta, Finished, GenerationRequest, Message, Sampling
from functions.ir import decoding_schema
from functions.prompting import load_prompt
from infra.settings import load_settings

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / ".local" / "model"
TARGET = ROOT / "bench" / "results" / "forced_tokens.json"
FORCED = 16
TASKS = ("add two numbers", "count the vowels of a text", "tell whether a year is a leap year", "reverse a list")


def specification(number: int) -> GenerationRequest:
    shots = load_prompt("specify.v1").messages(f"Write a function to {TASKS[number % 4]}. Call it number {number}.")
    return _request(tuple(shots), Constraint.of("json_schema", decoding_schema()), 200)


def record(number: int) -> GenerationRequest:
    text = str(workload.record(number)["messages"][-1]["content"])
    return _request((Message(role="user", content=text),), Constraint.of("json_schema", workload.RECORD), 96)


def code(number: int) -> GenerationRequest:
    text = f"Write the Python function solve_{number}(values), to {TASKS[number % 4]}."
    grammar = function_grammar(f"def solve_{number}(values: list[int]) -> int")
    return _request((Message(role="user", content=text),), grammar, 96)


def free_text(number: int) -> GenerationRequest:
    text = str(workload.story(number)["messages"][-1]["content"])
    return _request((Message(role="user", content=text),), None, 96)


KINDS: dict[str, Callable[[int], GenerationRequest]] = {
    "specification": specification,
    "JSON schema": record,
    "Python grammar": code,
    "free text": free_text,
}


def _request(messages: tuple[Message, ...], constraint: Constraint | None, max_tokens: int) -> GenerationRequest:
    sampling = Sampling(max_tokens=max_tokens, temperature=0.0)
    return GenerationRequest(
        id=uuid.uuid4().hex, messages=messages, sampling=sampling, constraint=constraint, timeout_s=600
    )


@dataclass
class Engines:
    """The engine with drafts and the one without, and the processes that each has started."""

    forced: Engine
    plain: Engine
    processes: dict[str, list[psutil.Process]] = field(default_factory=dict)

    async def start(self) -> None:
        for name, engine in (("forced", self.forced), ("plain", self.plain)):
            before = {process.pid for process in psutil.Process().children(recursive=True)}
            await engine.start()
            now = psutil.Process().children(recursive=True)
            self.processes[name] = [process for process in now if process.pid not in before]

    def processor_s(self, name: str) -> float:
        times = [process.cpu_times() for process in self.processes[name] if process.is_running()]
        return sum(spent.user + spent.system for spent in times)


@dataclass
class Round:
    """What one engine did with one batch: tokens a second, processor milliseconds a token, tokens a step of a text."""

    tokens_s: float
    processor_ms: float
    tokens_step: float


async def one(engine: Engine, asked: GenerationRequest) -> tuple[int, int]:
    """Tokens written, and steps in which they came."""
    steps = tokens = 0
    async for event in engine.generate(asked):
        steps += isinstance(event, Delta)
        if isinstance(event, Finished):
            tokens = event.usage.completion_tokens
    return tokens, steps


async def run(engines: Engines, name: str, asked: list[GenerationRequest]) -> Round:
    engine = engines.forced if name == "forced" else engines.plain
    began, spent = time.perf_counter(), engines.processor_s(name)
    done = await asyncio.gather(*(one(engine, request) for request in asked))
    seconds, spent = time.perf_counter() - began, engines.processor_s(name) - spent
    tokens = sum(count for count, _ in done)
    return Round(tokens / seconds, 1000 * spent / tokens, tokens / sum(steps for _, steps in done))


async def measured(engines: Engines, rounds: int, streams: int) -> list[dict[str, float | str | int]]:
    rows: list[dict[str, float | str | int]] = []
    for kind, make in KINDS.items():
        print(f"{kind}, {streams} at once ...", file=sys.stderr)
        pairs: list[dict[str, Round]] = []
        for turn in range(rounds + 1):  # the first warms both: grammars are compiled, prefixes cached
            order = ("forced", "plain") if turn % 2 else ("plain", "forced")
            numbers = [turn * streams + stream for stream in range(streams)]
            pairs.append({name: await run(engines, name, [make(number) for number in numbers]) for name in order})
        rows.append({"kind": kind, "streams": streams, **_summary(pairs[1:])})
    return rows


def _summary(pairs: list[dict[str, Round]]) -> dict[str, float]:
    def middle(value: Callable[[dict[str, Round]], float]) -> float:
        return round(statistics.median(map(value, pairs)), 2)

    return {
        "plain_tokens_s": middle(lambda pair: pair["plain"].tokens_s),
        "forced_tokens_s": middle(lambda pair: pair["forced"].tokens_s),
        "gain": middle(lambda pair: pair["forced"].tokens_s / pair["plain"].tokens_s),
        "processor_time": middle(lambda pair: pair["forced"].processor_ms / pair["plain"].processor_ms),
        "tokens_step": middle(lambda pair: pair["forced"].tokens_step),
    }


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8])
    arguments = parser.parse_args()
    settings = load_settings("local").engine
    engines = Engines(
        Engine(settings.model_copy(update={"forced_tokens": FORCED}), MODEL),
        Engine(settings.model_copy(update={"forced_tokens": 0}), MODEL),
    )
    print("Starting two engines (about a minute) ...", file=sys.stderr)
    try:
        await engines.start()
        rows = [row for streams in arguments.streams for row in await measured(engines, arguments.rounds, streams)]
    finally:
        await engines.forced.stop()
        await engines.plain.stop()
    print(f"{arguments.rounds} rounds in turns, medians; {FORCED} forced tokens a step at most, or none")
    print("| asked for | at once | tokens/s without | with | gain | processor time a token | tokens a step |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    TARGET.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
