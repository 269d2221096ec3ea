"""What the full funnel costs beside one candidate: `python bench/funnel.py`.

A simple function, the real engine, four candidates written side by side and checked as each is finished; without any
verdict kept from before. The ratio is the median over the rounds, each with one candidate's bare generation under the
same grammar, one candidate with its checks, and the funnel, in turns. Prints a table and writes
bench/results/funnel.json.
"""

import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from functions.cache import FileStore  # noqa: E402 - the project's own modules are found from here on
from functions.constraints.compilation import MODULES, ConstraintCompiler  # noqa: E402
from functions.engine import Engine  # noqa: E402
from functions.evidence import Check, Evidence  # noqa: E402
from functions.forward import Forward  # noqa: E402
from functions.ir import IntermediateRepresentation  # noqa: E402
from functions.sandbox import ProcessSandbox, judge_nursery  # noqa: E402
from functions.type_checks import TypeChecker  # noqa: E402
from functions.validation import ConstraintValidator  # noqa: E402
from functions.verifier import Verifier  # noqa: E402
from infra.settings import load_settings  # noqa: E402

ROUNDS, CANDIDATES = 9, 4
WANTED = 2.5
SIMPLE = {
    "intent": {"summary": "Return the larger of two integers."},
    "signature": {
        "name": "larger",
        "parameters": [{"name": "first", "type": "int"}, {"name": "second", "type": "int"}],
        "returns": "int",
    },
    "assertions": [{"expression": "result >= first and result >= second"}, {"expression": "result in (first, second)"}],
    "examples": [{"arguments": ["3", "7"], "result": "7"}, {"arguments": ["-2", "-5"], "result": "-2"}],
}


class Unchecked(Verifier):
    """Takes any text: what is left is the generation."""

    async def evidence(self, *_: object) -> Evidence:
        return Evidence([Check("unchecked", "passed")])


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def main() -> None:
    settings = load_settings("local")
    model = ROOT / ".local" / "model"
    ir = IntermediateRepresentation.model_validate(SIMPLE)
    nursery = judge_nursery()
    sandbox = ProcessSandbox(settings.sandbox, nursery=nursery)
    engine = Engine(settings.engine, model)
    types = TypeChecker(settings.validation, model / "tokenizer.json")
    print("Starting the engine (about 30 s) ...", file=sys.stderr)
    await engine.start()
    rows: dict[str, list[float]] = {"one, generated": [], "one, checked": [], "funnel": []}
    passed = 0
    try:
        with tempfile.TemporaryDirectory() as directory:
            validator = ConstraintValidator(settings.validation, model / "tokenizer.json", modules=MODULES)
            async with validator:
                compiler = ConstraintCompiler(validator, FileStore(Path(directory), max_bytes=2**24))
                forward = Forward(engine, compiler, sandbox, settings, types=types)
                bare = Forward(engine, compiler, sandbox, settings)
                bare._verifier = Unchecked(sandbox)  # noqa: SLF001 - the generation alone is what is measured
                await forward.implement(ir, candidates=CANDIDATES, repairs=0)  # warm
                for _ in range(ROUNDS):
                    rows["one, generated"].append(await seconds(lambda: bare.implement(ir, repairs=0)))
                    rows["one, checked"].append(await seconds(lambda: forward.implement(ir, repairs=0)))
                    began = time.perf_counter()
                    implemented = await forward.implement(ir, candidates=CANDIDATES, repairs=0)
                    rows["funnel"].append(time.perf_counter() - began)
                    passed += implemented.passed
    finally:
        await types.close()
        await nursery.close()
        await engine.stop()
    ratio = statistics.median(f / one for f, one in zip(rows["funnel"], rows["one, generated"], strict=True))
    medians = {name: round(statistics.median(values), 3) for name, values in rows.items()}
    print(
        f"{CANDIDATES} candidates, medians of {ROUNDS} rounds; {passed} of {ROUNDS} funnels ended with one that passes"
    )
    for name, value in medians.items():
        print(f"{name:20}{value:>8.3f} s")
    print(f"{'funnel / generated':20}{ratio:>8.2f}   wanted <= {WANTED}")
    target = ROOT / "bench" / "results" / "funnel.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({**medians, "ratio": round(ratio, 2), "passed": passed, "rounds": ROUNDS}, indent=2))


if __name__ == "__main__":
    asyncio.run(main())
