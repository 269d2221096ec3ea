"""What our engine class costs beside the vLLM engine that it is made of: `python bench/engine.py`.

16 streams at once through `Engine.generate` and through its own `AsyncLLM`, in turns, in one process; the ratio of
tokens per second is the median over the rounds. Prints one table and writes it to bench/results/engine.json.
"""

import asyncio
import json
import statistics
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from functions import vllm_adapter  # noqa: E402 - the project's own modules are found from here on
from functions.constraints import function_grammar  # noqa: E402
from functions.engine import Engine  # noqa: E402
from functions.generation import Constraint, Delta, GenerationRequest, Message, Sampling  # noqa: E402
from infra.settings import load_settings  # noqa: E402

STREAMS, TOKENS, ROUNDS = 16, 96, 5
SCHEMA = {
    "type": "object",
    "properties": {
        "words": {"type": "array", "items": {"type": "string", "maxLength": 12}, "minItems": 40, "maxItems": 60}
    },
    "required": ["words"],
}
KINDS: dict[str, Constraint | None] = {
    "free text": None,
    "JSON schema": Constraint.of("json_schema", SCHEMA),
    "Python grammar": function_grammar("def solve(values: list[int]) -> int"),
}


def request(number: int, constraint: Constraint | None) -> GenerationRequest:
    return GenerationRequest(
        id=uuid.uuid4().hex,
        messages=(Message(role="user", content=f"Tell the long story of traveller {number}."),),
        sampling=Sampling(max_tokens=TOKENS, temperature=0.8, seed=number),
        constraint=constraint,
    )


async def ours(engine: Engine, asked: GenerationRequest) -> int:
    return sum([event.tokens async for event in engine.generate(asked) if isinstance(event, Delta)])


async def bare(engine: Engine, asked: GenerationRequest) -> int:
    core = engine._core  # noqa: SLF001 - the peer is the very engine inside
    assert core is not None
    prompt = vllm_adapter.prompt_token_ids(core, asked, 8192)
    params = vllm_adapter._sampling_params(asked, room=8192)  # noqa: SLF001 - the same request
    stream = core.generate({"prompt_token_ids": prompt}, params, asked.id)
    return sum([len(output.outputs[0].token_ids) async for output in stream])


async def tokens_per_second(
    run: Callable[[Engine, GenerationRequest], Awaitable[int]], engine: Engine, constraint: Constraint | None
) -> float:
    began = time.perf_counter()
    tokens = await asyncio.gather(*(run(engine, request(number, constraint)) for number in range(STREAMS)))
    return sum(tokens) / (time.perf_counter() - began)


async def main() -> None:
    engine = Engine(load_settings("local").engine, ROOT / ".local" / "model")
    print("Starting the engine (about 30 s) ...", file=sys.stderr)
    await engine.start()
    rows: dict[str, Any] = {}
    try:
        for kind, constraint in KINDS.items():
            await tokens_per_second(bare, engine, constraint)  # warm
            pairs = [
                (await tokens_per_second(ours, engine, constraint), await tokens_per_second(bare, engine, constraint))
                for _ in range(ROUNDS)
            ]
            rows[kind] = {
                "ours_tokens_s": round(statistics.median(pair[0] for pair in pairs), 1),
                "bare_tokens_s": round(statistics.median(pair[1] for pair in pairs), 1),
                "ratio": round(statistics.median(pair[0] / pair[1] for pair in pairs), 3),
            }
    finally:
        await engine.stop()
    print(f"{STREAMS} streams of at most {TOKENS} tokens, medians of {ROUNDS} rounds")
    print(f"{'':20}{'ours':>12}{'bare vLLM':>12}{'ratio':>8}{'wanted':>10}")
    for kind, row in rows.items():
        print(f"{kind:20}{row['ours_tokens_s']:>12}{row['bare_tokens_s']:>12}{row['ratio']:>8}{'>= 0.9':>10}")
    target = ROOT / "bench" / "results" / "engine.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
