"""`python -m proofs.mutants [GROUP ...]`: tries the sampled mutants of each group and says which the tests let pass.

`--coverage` measures the branches alone. `--write` puts the table into docs/mutants.md, and the figures beside it.
Exits 1 when a mutant survives that `explained.json` does not explain, or when too few of a module's branches are taken.
"""

import argparse
import json
import queue
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from proofs.mutants.groups import GROUPS, Group
from proofs.mutants.making import Module, Mutant
from proofs.mutants.report import Figures, Tried, coverage_table, unexplained
from proofs.mutants.trials import HOME, Bench
from proofs.tools import ROOT

SEED = 10
BASE_LIMIT_S = 30.0
WHOLE_LIMIT_S = 1800.0
NEAREST_S = 10.0
"""So long a mutant's tests may run on the code as it is: it is tried by the nearest ones."""
LEAST_BRANCHES_PERCENT = 95
OUTSIDE = ""
"""See `observing`, which needs what is not there where this runs."""

Benches = queue.SimpleQueue[Bench]


def main() -> int:
    """Exit status."""
    asked = _arguments()
    figures = Figures.read()
    results: list[Tried] = []
    measured: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        benches: Benches = queue.SimpleQueue()
        for number in range(asked.workers):
            benches.put(stack.enter_context(Bench(number)))
        for name in asked.groups or list(GROUPS):
            base = _base(benches, name, GROUPS[name])
            measured |= base["coverage"]
            figures.note_branches(base["coverage"])
            for path in GROUPS[name].modules if not asked.coverage else ():
                if path in (asked.modules or [path]):
                    module = Module(path, (ROOT / path).read_text())
                    figures.possible[path] = len(module)
                    tried = _tried(benches, _chosen(module, GROUPS[name], asked, figures), base, asked.minutes)
                    figures.replace(tried, again=asked.again or bool(asked.keys))
                    results += tried
                    if asked.write:
                        figures.write()
    print(coverage_table(measured))
    for each in unexplained(results):
        print(f"\n{each.key} {each.path}:{each.line} {each.function} [{each.operator}] {each.ended}")
        print(f"  - {each.before}\n  + {each.after}")
    if asked.write:
        figures.write()
    too_few = [path for path, each in measured.items() if each["percent"] < LEAST_BRANCHES_PERCENT]
    return 1 if unexplained(results) or too_few else 0


def _base(benches: Benches, name: str, group: Group) -> dict[str, Any]:
    """The tests on the code as it is, which they must pass; not again for a tree that is the same."""
    bench = benches.get()
    kept = HOME / f"base-{name}-{bench.digest}.json"
    try:
        if kept.exists():
            base: dict[str, Any] = json.loads(kept.read_text())
        else:
            base = bench.try_out(tests=group.tests, measured=group.modules, limit_s=WHOLE_LIMIT_S)
    finally:
        benches.put(bench)
    if base["ended"] != "passed":
        raise SystemExit(f"{name}: the tests do not pass as it is\n{base['tail']}")
    seconds = sum(base["tests"].values())
    print(f"== {name}: {len(base['tests'])} tests in {seconds:.0f} s, {base['seconds']:.0f} s in all", flush=True)
    for old in HOME.glob(f"base-{name}-*.json"):
        old.unlink()
    kept.write_text(json.dumps(base))
    return base


def _chosen(module: Module, group: Group, asked: argparse.Namespace, figures: Figures) -> list[Mutant]:
    if asked.again:
        return module.chosen({each.key for each in figures.tried if each.survived})
    if asked.keys:
        return module.chosen(asked.keys)
    return module.sample(asked.sample or group.sample, asked.seed)


def _tried(benches: Benches, chosen: Sequence[Mutant], base: dict[str, Any], minutes: float) -> list[Tried]:
    """What came of those that are tried within `minutes`."""
    deadline = time.monotonic() + minutes * 60

    def one(mutant: Mutant) -> Tried | None:
        bench = benches.get()
        try:
            if time.monotonic() > deadline:
                return None
            tried = _one(bench, mutant, base)
        finally:
            benches.put(bench)
        mark = "SURVIVED" if tried.survived else tried.ended
        print(
            f"{tried.seconds:6.1f} s  {mark:9} {mutant.key} {mutant.path}:{mutant.line} {mutant.operator}", flush=True
        )
        return tried

    with ThreadPoolExecutor(benches.qsize()) as pool:
        return [each for each in pool.map(one, chosen) if each is not None]


def _one(bench: Bench, mutant: Mutant, base: dict[str, Any]) -> Tried:
    """See `worker`; a line that no test runs is not tried."""
    lines: dict[str, list[str]] = base["coverage"][mutant.path]["lines"]
    ran = lines.get(str(mutant.line), [])
    if not ran:
        return Tried.of(mutant, "unreached")
    only = _nearest(base["tests"], lines, ran)
    files = sorted({test.split("::")[0] for test in only})
    limit_s = BASE_LIMIT_S + 3 * sum(base["tests"].get(test, 0.0) for test in only)
    answer = bench.try_out(path=mutant.path, source=mutant.source, tests=files, only=only, limit_s=limit_s)
    failed = answer.get("failed")
    return Tried.of(mutant, answer["ended"], answer["seconds"], failed[0] if failed else None)


def _nearest(seconds: Mapping[str, float], lines: Mapping[str, Sequence[str]], ran: Sequence[str]) -> list[str]:
    """Of the tests that ran the line the quickest, as many as run in `NEAREST_S`.

    Of a line that ran at import, those that run most of the module's lines for their time; of a module that does
    nothing else, the group's quickest.
    """
    reached = Counter(test for tests in lines.values() for test in tests if test)
    if OUTSIDE in ran:
        near = sorted(reached or seconds, key=lambda test: reached[test] / (seconds.get(test, 0.0) + 0.1), reverse=True)
    else:
        near = sorted(ran, key=lambda test: seconds.get(test, 0.0))
    nearest: list[str] = []
    spent_s = 0.0
    for test in near:
        if nearest and spent_s > NEAREST_S:
            break
        nearest.append(test)
        spent_s += seconds.get(test, 0.0)
    return nearest


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(GROUPS))
    parser.add_argument("--coverage", action="store_true", help="measure the branches, and try no mutant")
    parser.add_argument("--write", action="store_true", help="write docs/mutants.md and docs/mutants.json")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=15, help="for the mutants of one module")
    parser.add_argument("--sample", type=int, help="mutants of each module, in the place of the group's")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--again", action="store_true", help="those alone that have survived, by the kept figures")
    parser.add_argument("--modules", nargs="+", help="these of the groups' alone")
    parser.add_argument("--keys", nargs="+", help="these mutants alone")
    asked = parser.parse_args()
    if unknown := set(asked.groups) - GROUPS.keys():
        parser.error(f"no such group: {', '.join(sorted(unknown))}; there are {', '.join(GROUPS)}")
    return asked


if __name__ == "__main__":
    sys.exit(main())
