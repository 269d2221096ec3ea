"""Real schemas: does compiling refuse any that llguidance takes? `python -m bench.schemas [FOLDER ...] [--every N]`.

Each is compiled as a set of one rule (the way of /api/compile, which is that of /api/generate), and by llguidance alone
with the same tokenizer and limits. Prints tables and writes them to bench/results/schemas.json.
"""

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from bench.schemas.corpus import Found, schemas
from bench.schemas.llguidance_alone import refusal_alone
from functions.cache import FileStore
from functions.constraints.compilation import MODULES, ConstraintCompiler
from functions.constraints.reading import read_constraint_set
from functions.failures import ConstraintRefused, ConstraintsConflict
from functions.validation import ConstraintValidator
from infra.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
TOKENIZER = ROOT / ".local" / "model" / "tokenizer.json"
RULE = "/constraints/0/rule/schema"
SLOW_S = 2.0
PATIENCE_S = 120.0
EXAMPLES = 3
# What the caps of functions/validation_caps.py say, as docs/constraints.md lists them.
_CAPS = re.compile(
    r"the decoder takes at most|nested too deeply|more than \d+ (definitions|arrays and objects)|lenient drops"
    r"|does not fit in 64 bits|half of a surrogate|takes more than [\d.]+ s|bytes long; at most"
    r"|needs more than \d+ MiB|must not contain a NUL"
)
_NUMBER = re.compile(r"\d+(\.\d+)?")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`")


@dataclass(frozen=True)
class Judged:
    """One schema: our refusal and its pointer (None when compiled), llguidance's own, and the seconds of this process.

    What the limited process may take is bounded by its own limit of processor time.
    """

    found: Found
    ours: str | None
    pointer: str
    alone: str | None
    seconds: float


async def judged(found: Found, compiler: ConstraintCompiler, validator: ConstraintValidator) -> Judged:
    """Both verdicts."""
    rule = {"type": "json_schema", "schema": found.schema}
    started = time.process_time()
    ours, pointer = None, ""
    try:
        stated = read_constraint_set([{"name": "schema", "severity": "error", "rule": rule}], pointer="/constraints")
        await compiler.compile(stated)
    except ConstraintRefused as refused:
        ours, pointer = refused.reason, refused.pointer
    except ConstraintsConflict as conflict:
        ours, pointer = str(conflict), RULE
    seconds = time.process_time() - started
    try:
        alone = await validator.run_limited(refusal_alone, json.dumps(found.schema))
    except ConstraintRefused as refused:  # it overran the limits
        alone = refused.reason
    return Judged(found, ours, pointer, alone, seconds)


def resolves(pointer: str, schema: Any) -> bool:
    """Whether a pointer into the set leads to something in the schema."""
    if not pointer.startswith(RULE):
        return False
    value = schema
    for part in pointer.removeprefix(RULE).split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(value, list) and name.isdigit() and int(name) < len(value):
            value = value[int(name)]
        elif isinstance(value, dict) and name in value:
            value = value[name]
        else:
            return False
    return True


def reason_kind(reason: str) -> str:
    """A reason without what differs from schema to schema."""
    return _NUMBER.sub("N", _QUOTED.sub("'...'", reason))[:110]


async def measured(folders: list[Path], every: int) -> list[Judged]:
    results: list[Judged] = []
    with tempfile.TemporaryDirectory() as directory:
        # On a busy machine an answer may take long though its work, whose limit stays what it is, does not.
        limits = load_settings("local").validation.model_copy(update={"timeout_s": PATIENCE_S})
        modules = (*MODULES, "bench.schemas.llguidance_alone")
        async with ConstraintValidator(limits, TOKENIZER, modules=modules) as validator:
            compiler = ConstraintCompiler(validator, FileStore(Path(directory), max_bytes=10**9))
            waiting = iter(islice(schemas(ROOT / ".local" / "schemas", folders), 0, None, every))
            for found in waiting:
                results.append(await judged(found, compiler, validator))
                if len(results) % 500 == 0:
                    print(f"{len(results)} ...", file=sys.stderr)
    return results


def summary(results: list[Judged]) -> dict[str, Any]:
    only_ours = [r for r in results if r.ours is not None and r.alone is None]
    uncapped = [r for r in only_ours if not _CAPS.search(r.ours or "")]
    refused = [r for r in results if r.ours is not None]
    examples: defaultdict[str, list[str]] = defaultdict(list)
    for r in only_ours:
        place = f"{r.found.source} {r.found.place} {r.pointer.removeprefix(RULE)}: {(r.ours or '')[:200]}"
        examples[reason_kind(r.ours or "")].append(place)
    by_source: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for r in results:
        verdict = "taken" if r.ours is None else "refused, by llguidance too" if r.alone else "refused here alone"
        by_source[r.found.source][verdict] += 1
    return {
        "schemas": len(results),
        "compiled": len(results) - len(refused),
        "refused by llguidance alone": sum(r.alone is not None for r in results),
        "taken though llguidance alone refuses": sum(r.ours is None and r.alone is not None for r in results),
        "refused here alone, by a cap": len(only_ours) - len(uncapped),
        "refused here alone, otherwise": len(uncapped),
        "refusals without a pointer into the schema": sum(not resolves(r.pointer, r.found.schema) for r in refused),
        "refusals that point at the whole schema": sum(r.pointer == RULE for r in refused),
        f"took more than {SLOW_S:g} s of this process": sum(r.seconds > SLOW_S for r in results),
        "by source": {source: dict(counts) for source, counts in by_source.items()},
        "refused here alone, by reason": {kind: len(places) for kind, places in examples.items()},
        "refused by both, by reason": Counter(reason_kind(r.ours or "") for r in refused if r.alone).most_common(40),
        "examples": {kind: places[:EXAMPLES] for kind, places in examples.items()},
        "without a pointer": [
            f"{r.found.source} {r.found.place} {r.pointer}: {(r.ours or '')[:200]}"
            for r in refused
            if not resolves(r.pointer, r.found.schema)
        ][:20],
        "at the root": [
            f"{r.found.source} {r.found.place}: {(r.ours or '')[:200]}" for r in refused if r.pointer == RULE
        ][:40],
        "slow": [f"{r.found.source} {r.found.place}: {r.seconds:.1f} s" for r in results if r.seconds > SLOW_S][:20],
    }


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("folders", nargs="*", type=Path, help="folders with more schemas")
    arguments.add_argument("--every", type=int, default=1, help="only each n-th schema")
    given = arguments.parse_args()
    found = summary(asyncio.run(measured(given.folders, given.every)))
    target = ROOT / "bench" / "results" / "schemas.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(found, indent=2, ensure_ascii=False))
    for name, value in found.items():
        if isinstance(value, int):
            print(f"{name:50}{value:>8}")
    print(f"\n{'':46}{'taken':>8}{'refused by both':>18}{'here alone':>12}")
    for source, counts in found["by source"].items():
        cells = [counts.get(v, 0) for v in ("taken", "refused, by llguidance too", "refused here alone")]
        print(f"{source[:45]:46}{cells[0]:>8}{cells[1]:>18}{cells[2]:>12}")
    print("\nrefused here, taken by llguidance alone")
    for kind, count in sorted(found["refused here alone, by reason"].items(), key=lambda row: -row[1]):
        print(f"{count:>8}  {kind}")
    print("\nrefused by both")
    for kind, count in found["refused by both, by reason"][:15]:
        print(f"{count:>8}  {kind}")


if __name__ == "__main__":
    main()
