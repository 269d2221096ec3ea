"""What is known of a candidate: rows of checks, each with its verdict and what was seen."""

from dataclasses import dataclass, field
from typing import Any, Literal

_OF_THE_TEXT = frozenset({"parses", "constraints", "signature", "names", "runs", "types", "outcomes"})
"""Checks that any sensible code passes, right or wrong."""

Verdict = Literal["passed", "failed", "not_run", "skipped"]


@dataclass(frozen=True)
class Check:
    """One row of evidence: what was checked, how it came out, and what was seen if it did not pass.

    "not_run": something cheaper had failed. "skipped": it can say nothing of any candidate, and stands in no one's way.
    `guessed`: a model has made up what was checked, so that the check may be wrong as well as the code.
    """

    name: str
    verdict: Verdict
    detail: str = ""
    guessed: bool = False

    def as_json(self) -> dict[str, Any]:
        """For answers and storage; what is not guessed says nothing of it."""
        row: dict[str, Any] = {"name": self.name, "verdict": self.verdict, "detail": self.detail}
        return {**row, "guessed": True} if self.guessed else row


@dataclass(frozen=True)
class Evidence:
    """All that is known of one candidate. What a busy machine may have caused is not `lasting`.

    `outcomes` are what the specification's examples gave, and then the calls near them (`probe_calls`), in their order,
    expected or not; `crashes` says how many of them raised what speaks of a fault and the specification does not name.
    """

    checks: list[Check] = field(default_factory=list)
    lasting: bool = True
    outcomes: tuple[str, ...] = ()
    crashes: int = 0

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing was left out because of an earlier failure."""
        return bool(self.checks) and all(check.verdict in {"passed", "skipped"} for check in self.checks)

    @property
    def sound(self) -> bool:
        """As `passed`, of what is certain alone."""
        certain = [check for check in self.checks if not check.guessed]
        return bool(certain) and all(check.verdict in {"passed", "skipped"} for check in certain)

    @property
    def is_tried(self) -> bool:
        """Whether it did what somebody has said: an example, an assertion or a test that no model has made up."""
        return any(c.verdict == "passed" and not c.guessed and c.name not in _OF_THE_TEXT for c in self.checks)

    @property
    def score(self) -> tuple[int, int]:
        """For choosing among candidates, of what is certain: more passed, then fewer failed."""
        certain = [check.verdict for check in self.checks if not check.guessed]
        return certain.count("passed"), -certain.count("failed")

    @property
    def guesses_held(self) -> float:
        """Between 0 and 1: the share that passed of the checks that a model has made up; 0 where there are none."""
        guessed = [check.verdict for check in self.checks if check.guessed]
        return guessed.count("passed") / max(1, len(guessed))

    @property
    def failures(self) -> list[Check]:
        """What failed, and is certain: what a repair has to know."""
        return [check for check in self.checks if check.verdict == "failed" and not check.guessed]

    def as_json(self) -> list[dict[str, Any]]:
        """The rows."""
        return [check.as_json() for check in self.checks]
