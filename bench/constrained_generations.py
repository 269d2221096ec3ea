"""200 functions by the real engine under mixed constraint sets: `python bench/constrained_generations.py [--count N]`.

Counts what parses and what breaks a rule that is enforced while decoding, judged without the grammar. Prints one table
and writes it to bench/results/constrained_generations.json.
"""

import argparse
import ast
import asyncio
import json
import sys
import tempfile
import uuid
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from functions.cache import FileStore  # noqa: E402 - the project's own modules are found from here on
from functions.constraints.compilation import MODULES, Compiled, ConstraintCompiler  # noqa: E402
from functions.constraints.python_check import python_violations  # noqa: E402
from functions.engine import Engine  # noqa: E402
from functions.generation import Delta, Finished, GenerationRequest, Message, Sampling  # noqa: E402
from functions.validation import ConstraintValidator  # noqa: E402
from infra.settings import load_settings  # noqa: E402

MODEL = ROOT / ".local" / "model"
STREAMS = 16
TASKS = [
    ("Return the sum of the even numbers in a list.", "def sum_even(numbers: list[int]) -> int"),
    ("Count the vowels in a text.", "def count_vowels(text: str) -> int"),
    ("Reverse the words of a sentence.", "def reverse_words(sentence: str) -> str"),
    ("Say whether a number is prime.", "def is_prime(number: int) -> bool"),
    ("Merge two sorted lists.", "def merge(left: list[int], right: list[int]) -> list[int]"),
    ("Parse a date such as 2024-05-31 into its three numbers.", "def parse_date(text: str) -> tuple[int, int, int]"),
    ("Fetch a page and give its length.", "async def page_length(url: str, retries: int = 3) -> int"),
    ("The longest word of a text.", "def longest_word(text: str) -> str"),
]
RULES = [
    [{"type": "forbid_calls", "calls": ["eval", "os.system", "print", "sum"]}, {"type": "max_nesting", "max": 2}],
    [{"type": "require_docstring"}, {"type": "forbid_syntax", "syntax": ["while", "global", "lambda", "bare_except"]}],
    [{"type": "allow_imports", "modules": ["re", "math"]}, {"type": "naming", "variables": "[a-z]{3,12}"}],
    [
        {"type": "forbid_names", "names": ["i", "x", "s", "n", "result"]},
        {"type": "forbid_syntax", "syntax": ["ListComp"]},
    ],
    [{"type": "allow_syntax", "syntax": ["return", "if", "for", "assign", "raise", "async"]}],
    [
        {"type": "forbid_imports", "modules": ["os", "sys", "re"]},
        {"type": "forbid_syntax", "syntax": ["comprehension"]},
    ],
]


async def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--count", type=int, default=200)
    count = arguments.parse_args().count
    settings = load_settings("local")
    engine = Engine(settings.engine, MODEL)
    print("Starting the engine (about 30 s) ...", file=sys.stderr)
    await engine.start()
    found: Counter[str] = Counter()
    try:
        with tempfile.TemporaryDirectory() as directory:
            async with ConstraintValidator(settings.validation, MODEL / "tokenizer.json", modules=MODULES) as validator:
                compiler = ConstraintCompiler(validator, FileStore(Path(directory), max_bytes=10**8))
                waiting = asyncio.Semaphore(STREAMS)
                await asyncio.gather(*(_one(engine, compiler, number, waiting, found) for number in range(count)))
    finally:
        await engine.stop()
    print(f"{'generations':32}{count:>8}")
    for name in ("cut by max_tokens", "finished", "parse", "break a rule"):
        print(f"{name:32}{found[name]:>8}")
    target = ROOT / "bench" / "results" / "constrained_generations.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps({"generations": count, **found}, indent=2))


async def _one(
    engine: Engine, compiler: ConstraintCompiler, number: int, waiting: asyncio.Semaphore, found: Counter[str]
) -> None:
    task, signature = TASKS[number % len(TASKS)]
    rules = [*RULES[number % len(RULES)], {"type": "signature", "signature": signature}]
    async with waiting:
        compiled = await compiler.compile_json([{"name": f"c{i}", "rule": rule} for i, rule in enumerate(rules)])
        text, finished = await _generated(engine, compiled, task, number)
    if finished.finish_reason != "stop":
        found["cut by max_tokens"] += 1
        return
    found["finished"] += 1
    try:
        ast.parse(text)
        found["parse"] += 1
    except SyntaxError as error:
        print(f"{error}\n{text}", file=sys.stderr)
    if violations := python_violations(text, compiled.requirements):
        found["break a rule"] += 1
        print(f"{violations[0]}\n{text}", file=sys.stderr)


async def _generated(engine: Engine, compiled: Compiled, task: str, number: int) -> tuple[str, Finished]:
    request = GenerationRequest(
        id=uuid.uuid4().hex,
        messages=(Message(role="user", content=f"Write one Python function. {task}"),),
        sampling=Sampling(max_tokens=300, temperature=0.7, seed=number),
        constraint=compiled.constraint,
    )
    events = [event async for event in engine.generate(request)]
    last = events[-1]
    if not isinstance(last, Finished):
        raise TypeError("a generation ended without its end")
    return "".join(event.text for event in events if isinstance(event, Delta)), last


if __name__ == "__main__":
    asyncio.run(main())
