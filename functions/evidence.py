"""What is known of a candidate: rows of checks, each with its verdict and what was seen."""

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["passed", "failed", "not_run", "skipped"]


@dataclass(frozen=True)
class Check:
    """One row of evidence: what was checked, how it came out, and what was seen if it did not pass.

    "not_run": something cheaper had failed. "skipped": it can say nothing of any candidate, and stands in no one's way.
    """

    name: str
    verdict: Verdict
    detail: str = ""

    def as_json(self) -> dict[str, str]:
        """For answers and storage."""
        return {"name": self.name, "verdict": self.verdict, "detail": self.detail}


@dataclass(frozen=True)
class Evidence:
    """All that is known of one candidate. What a busy machine may have caused is not `lasting`."""

    checks: list[Check] = field(default_factory=list)
    lasting: bool = True

    @property
    def passed(self) -> bool:
        """Nothing failed, and nothing was left out because of an earlier failure."""
        return bool(self.checks) and all(check.verdict in {"passed", "skipped"} for check in self.checks)

    @property
    def score(self) -> tuple[int, int]:
        """For choosing among candidates: more passed, then fewer failed."""
        verdicts = [check.verdict for check in self.checks]
        return verdicts.count("passed"), -verdicts.count("failed")

    @property
    def failures(self) -> list[Check]:
        """What a repair has to know."""
        return [check for check in self.checks if check.verdict == "failed"]

    def as_json(self) -> list[dict[str, Any]]:
        """The rows."""
        return [check.as_json() for check in self.checks]
