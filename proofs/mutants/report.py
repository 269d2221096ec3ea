"""Tables of what was tried and what is covered, and the file that keeps it."""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from proofs.mutants.making import Mutant
from proofs.tools import ROOT

EXPLAINED = Path(__file__).with_name("explained.json")
FIGURES = ROOT / "docs" / "mutants.json"
DOCUMENT = ROOT / "docs" / "mutants.md"
BEGIN, END = "<!-- figures: make prove-mutants -->", "<!-- end of figures -->"
SURVIVED = ("passed", "unreached")


@dataclass(frozen=True)
class Tried:
    """A mutant and what came of it: failed, broken, endless (killed); passed, unreached (survived)."""

    key: str
    path: str
    operator: str
    function: str
    line: int
    before: str
    after: str
    ended: str
    seconds: float
    killed_by: str | None

    @classmethod
    def of(cls, mutant: Mutant, ended: str, seconds: float = 0.0, killed_by: str | None = None) -> Self:
        """What came of `mutant`."""
        known = {name: value for name, value in vars(mutant).items() if name != "source"}
        return cls(**known, ended=ended, seconds=round(seconds, 1), killed_by=killed_by)

    @property
    def survived(self) -> bool:
        """Whether no test noticed."""
        return self.ended in SURVIVED


@dataclass
class Figures:
    """All that was tried, by module; how many mutants each has; how many of its branches are taken."""

    tried: list[Tried]
    possible: dict[str, int]
    branches: dict[str, dict[str, Any]]

    @classmethod
    def read(cls) -> Self:
        """What is kept of earlier runs."""
        if not FIGURES.exists():
            return cls([], {}, {})
        kept = json.loads(FIGURES.read_text())
        return cls([Tried(**each) for each in kept["tried"]], kept["possible"], kept["branches"])

    def replace(self, results: Sequence[Tried], *, again: bool) -> None:
        """Take the results in the place of those of the same mutants; or, if not tried `again`, modules."""
        keys, paths = {each.key for each in results}, {each.path for each in results}
        kept = [each for each in self.tried if each.key not in keys and (again or each.path not in paths)]
        self.tried = sorted([*kept, *results], key=lambda each: (each.path, each.line, each.key))

    def note_branches(self, measured: Mapping[str, dict[str, Any]]) -> None:
        """Of each measured module, how many branches there are and which are not taken."""
        names = ("branches", "missing_branches", "percent", "missing", "partial")
        self.branches |= {path: {name: each[name] for name in names} for path, each in measured.items()}

    def write(self) -> None:
        """Into the file, and its table into the document, between its marks."""
        kept = {
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "python": platform.python_version(),
            "possible": self.possible,
            "branches": self.branches,
            "tried": [asdict(each) for each in self.tried],
        }
        FIGURES.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")
        text = DOCUMENT.read_text()
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{self.table()}\n\n{END}{after}")

    def table(self) -> str:
        """One line a module, and one for all."""
        lines = [
            "| module | mutants | tried | killed | survived | of these explained | branches taken |",
            "|---|---:|---:|---:|---:|---:|---:|",
        ]
        for path in dict.fromkeys(each.path for each in self.tried):
            of_module = [each for each in self.tried if each.path == path]
            branches = f"{self.branches[path]['percent']:.1f} %" if path in self.branches else ""
            lines.append(f"| `{path}` | {self.possible.get(path, '')} | {_counts(of_module)} | {branches} |")
        lines.append(f"| all | {sum(self.possible.values())} | {_counts(self.tried)} | |")
        return "\n".join(lines)


def explained() -> dict[str, str]:
    """Why a mutant that survives is none that a test should kill, by the mutants' keys."""
    reasons: dict[str, dict[str, str]] = json.loads(EXPLAINED.read_text())
    return {key: each["why"] for key, each in reasons.items()}


def unexplained(results: Sequence[Tried]) -> list[Tried]:
    """Survivors that nothing explains."""
    reasons = explained()
    return [each for each in results if each.survived and each.key not in reasons]


def coverage_table(measured: Mapping[str, dict[str, Any]]) -> str:
    """One line a module, with the lines that no test runs and the ways that no test takes."""
    lines = [f"{'module':50} {'branches':>9} {'taken':>8} {'lines':>6} {'run':>8}  missing"]
    for path, each in measured.items():
        run = 100 * (1 - len(each["missing"]) / each["statements"]) if each["statements"] else 100
        ways = [f"{line}->{','.join(map(str, to))}" for line, to in each["partial"].items()]
        missing = " ".join([*map(str, each["missing"]), *ways])
        lines.append(
            f"{path:50} {each['branches']:9} {each['percent']:6.1f} % {each['statements']:6} {run:6.1f} %  {missing}"
        )
    return "\n".join(lines)


def _counts(tried: Sequence[Tried]) -> str:
    survivors = [each for each in tried if each.survived]
    known = len(survivors) - len(unexplained(survivors))
    return f"{len(tried)} | {len(tried) - len(survivors)} | {len(survivors)} | {known}"
