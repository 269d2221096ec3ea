"""What a constraint's validation costs its request: `python -m bench.validation .local/model/tokenizer.json`."""

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path

from functions.generation import Constraint
from functions.validation import ConstraintValidator
from infra.settings import load_settings

RUNS = 500


def schema(n: int) -> Constraint:
    properties = {
        f"name{n}": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 5},
    }
    return Constraint.of("json_schema", {"type": "object", "properties": properties, "required": ["age"]})


def wide_schema(n: int) -> Constraint:
    properties = {f"p{n}_{i}": {"type": "string"} for i in range(100)}
    return Constraint.of("json_schema", {"type": "object", "properties": properties})


KINDS: dict[str, Callable[[int], Constraint]] = {
    "json_schema, 3 properties": schema,
    "json_schema, 100 optional": wide_schema,
    "regex": lambda n: Constraint.of("regex", rf"[a-z]+@[a-z]{{1,{n + 1}}}\.com"),
    "grammar": lambda n: Constraint.of("grammar", f'start: NAME "(" NAME{n} ")"\nNAME: /[a-z]+/\nNAME{n}: /[0-9]+/'),
    "choice": lambda n: Constraint.of("choice", ["yes", "no", str(n)]),
    "remembered": lambda _: schema(0),
}


async def main() -> None:
    started = time.perf_counter()
    async with ConstraintValidator(load_settings().validation, Path(sys.argv[1])) as validator:
        await validator.check(Constraint.of("regex", "first"))
        print(f"ready after {time.perf_counter() - started:.2f} s")
        print(f"{'constraint':28}{'p50 ms':>10}{'p99 ms':>10}")
        for name, make in KINDS.items():
            seconds = []
            for n in range(RUNS):
                constraint = make(n)
                at = time.perf_counter()
                await validator.check(constraint)
                seconds.append(time.perf_counter() - at)
            seconds.sort()
            print(f"{name:28}{seconds[RUNS // 2] * 1e3:10.3f}{seconds[RUNS * 99 // 100] * 1e3:10.3f}")


if __name__ == "__main__":
    asyncio.run(main())
