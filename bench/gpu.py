"""What an engine does on a GPU: `make bench-gpu` on a machine that has one (GPU_ENVIRONMENT=production).

That installs vLLM as infra/requirements/engine.lock has it, and fetches the environment's model at its revision if
--weights (.local/weights) does not have it. Measures, in one process of one engine:

- a cold start as it is without snapshots (from nothing) and with them (asleep, then woken), each with its first token;
- tokens per second of 1, 8, 32 and 128 streams at once, free and under a JSON schema, and the first token's wait.

What Modal adds to a start (finding a machine, reading the snapshot) is not in it: that takes an account.

--reduced is the same on a CPU with the laptop's model, 1 and 8 streams: it shows that the script works, and its figures
say nothing of a GPU; that model does not sleep. Prints tables and writes bench/results/gpu.json (gpu-reduced.json).
"""

import argparse
import asyncio
import json
import platform
import statistics
import sys
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from functions.engine import Engine  # noqa: E402 - the project's own modules are found from here on
from functions.generation import Constraint, Delta, GenerationRequest, Message, Sampling  # noqa: E402
from functions.weights_download import download_weights  # noqa: E402
from infra.settings import EngineSettings, load_settings  # noqa: E402

STREAMS, TOKENS, ROUNDS = (1, 8, 32, 128), 256, 3
REDUCED_STREAMS, REDUCED_TOKENS, REDUCED_ROUNDS = (1, 8), 16, 1
ITEMS = {"type": "array", "items": {"type": "string", "maxLength": 24}, "minItems": 200, "maxItems": 400}
SCHEMA = {"type": "object", "properties": {"words": ITEMS}, "required": ["words"], "additionalProperties": False}
TIMES = {
    "start_s": "cold start without a snapshot: loaded and warmed up",
    "first_token_after_start_s": "  its first token",
    "sleep_s": "falling asleep, as a snapshot holds it",
    "wake_s": "cold start with a snapshot: awake again",
    "first_token_after_wake_s": "  its first token",
}
KINDS: dict[str, Constraint | None] = {"free": None, "JSON schema": Constraint.of("json_schema", SCHEMA)}


@dataclass(frozen=True)
class Plan:
    """What is measured: on which engine, how much of it."""

    settings: EngineSettings
    model: Path
    streams: tuple[int, ...]
    tokens: int
    rounds: int
    device: str


def planned(environment: str, weights: Path) -> Plan:
    import torch  # noqa: PLC0415 - only where it is

    if not torch.cuda.is_available():
        sys.exit("PyTorch finds no GPU here; `make bench-gpu-reduced` tries the script without one")
    settings = load_settings(environment).engine
    settings = settings.model_copy(update={"weights_directory": str(weights), "max_num_seqs": max(STREAMS)})
    return Plan(settings, download_weights(settings), STREAMS, TOKENS, ROUNDS, torch.cuda.get_device_name())


def reduced() -> Plan:
    return Plan(
        load_settings("local").engine,
        ROOT / ".local" / "model",
        REDUCED_STREAMS,
        REDUCED_TOKENS,
        REDUCED_ROUNDS,
        f"no GPU: {platform.machine()} CPU",
    )


async def one(engine: Engine, tokens: int, number: int, constraint: Constraint | None) -> tuple[float, int]:
    """Seconds to the first token, and how many there were."""
    request = GenerationRequest(
        id=uuid.uuid4().hex,
        messages=(Message(role="user", content=f"Tell the long story of traveller {number}."),),
        sampling=Sampling(max_tokens=tokens, temperature=0.8, seed=number),
        constraint=constraint,
    )
    began, first_s, count = time.perf_counter(), 0.0, 0
    async for event in engine.generate(request):
        if isinstance(event, Delta):
            first_s = first_s or time.perf_counter() - began
            count += event.tokens
    return first_s, count


async def life(engine: Engine, plan: Plan) -> dict[str, float | None]:
    """Start, sleep and wake: seconds. The engine is left awake."""
    found: dict[str, float | None] = {}

    async def timed(what: str, doing: Any) -> None:
        began = time.perf_counter()
        await doing
        found[what] = round(time.perf_counter() - began, 3)

    say(f"starting {plan.settings.model} on {plan.device}")
    await timed("start_s", engine.start())
    first_s, _ = await one(engine, 8, 0, None)
    found["first_token_after_start_s"] = round(first_s, 3)
    found |= {"sleep_s": None, "wake_s": None, "first_token_after_wake_s": None}
    if plan.settings.sleep_level:
        say("to sleep, and awake again")
        await timed("sleep_s", engine.sleep())
        await timed("wake_s", engine.wake())
        first_s, _ = await one(engine, 8, 0, None)
        found["first_token_after_wake_s"] = round(first_s, 3)
    return found


def say(what: str) -> None:
    """On stderr: the tables alone go to stdout."""
    print(what, file=sys.stderr, flush=True)


async def throughput(engine: Engine, plan: Plan, streams: int, constraint: Constraint | None) -> dict[str, float]:
    say(f"{streams} streams, {'free' if constraint is None else constraint.kind}")
    rates, firsts = [], []
    await one(engine, 8, 0, constraint)  # its grammar is compiled
    for _ in range(plan.rounds):
        began = time.perf_counter()
        seen = await asyncio.gather(*(one(engine, plan.tokens, number, constraint) for number in range(streams)))
        rates.append(sum(count for _, count in seen) / (time.perf_counter() - began))
        firsts.append(statistics.median(first_s for first_s, _ in seen))
    return {"tokens_s": round(statistics.median(rates), 1), "first_token_s": round(statistics.median(firsts), 3)}


async def main() -> None:
    parser = argparse.ArgumentParser(description="What an engine does on a GPU.")
    parser.add_argument("--environment", default="production", help="whose model and settings")
    weights = ROOT / ".local" / "weights"
    parser.add_argument("--weights", type=Path, default=weights, help="where the model is, or goes (.local/weights)")
    parser.add_argument("--reduced", action="store_true", help="on a CPU, to see that it works")
    options = parser.parse_args()
    plan = reduced() if options.reduced else planned(options.environment, options.weights)
    engine = Engine(plan.settings, plan.model)
    try:
        times = await life(engine, plan)
        rows = [
            {"kind": kind, "streams": streams, **await throughput(engine, plan, streams, constraint)}
            for kind, constraint in KINDS.items()
            for streams in plan.streams
        ]
    finally:
        await engine.stop()
    print(f"{plan.settings.model} ({plan.settings.dtype}) on {plan.device}")
    for name, what in TIMES.items():
        print(f"{what:55}{'not measured' if times[name] is None else f'{times[name]} s':>14}")
    print(f"medians of {plan.rounds} rounds, {plan.tokens} tokens a stream:")
    print(f"{'':14}{'streams':>9}{'tokens/s':>12}{'of free':>9}{'first token, s':>17}")
    free = {row["streams"]: row["tokens_s"] for row in rows if row["kind"] == "free"}
    for row in rows:
        of_free = f"{row['tokens_s'] / free[row['streams']]:.2f}"
        print(f"{row['kind']:14}{row['streams']:>9}{row['tokens_s']:>12}{of_free:>9}{row['first_token_s']:>17}")
    target = ROOT / "bench" / "results" / ("gpu-reduced.json" if options.reduced else "gpu.json")
    target.parent.mkdir(exist_ok=True)
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": plan.device,
        "model": plan.settings.model,
        "revision": plan.settings.revision,
        "rounds": plan.rounds,
        "tokens": plan.tokens,
        "times": times,
        "throughput": rows,
    }
    target.write_text(json.dumps(result, indent=2) + "\n")
    say(f"written to {target.relative_to(ROOT)}")


if __name__ == "__main__":
    asyncio.run(main())
