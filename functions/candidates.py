"""Candidates of one request for code: each with its fate, and the one that was chosen with the evidence for it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from operator import eq
from typing import Any, Literal

from functions.evidence import Evidence
from functions.generation import FinishReason, Timing, Usage

FAULTS_WEIGH = 0.5
"""A call that ends in a fault costs half of what one costs that no other candidate agrees with."""

GUESSES_WEIGH = 0.5
"""To hold all that a model has guessed weighs as much as to agree with half of the other candidates."""

WITNESSES = 2

Fate = Literal["passed", "failed", "cut", "stopped", "not_checked"]


@dataclass(frozen=True)
class Candidate:
    """One attempt. `round` counts the rounds of repair; `tokens` were generated for it."""

    code: str
    finish_reason: FinishReason
    evidence: Evidence = field(default_factory=Evidence)
    round: int = 0
    index: int = 0
    tokens: int = 0
    verification_s: float = 0.0
    prompt_version: str = ""

    @property
    def fate(self) -> Fate:
        """What became of it.

        "cut" at the bound of tokens, "stopped" while it was written and "not_checked" when it had been, both because
        another one had passed everything.
        """
        if self.finish_reason != "stop":
            return "cut" if self.finish_reason == "length" else "stopped"
        if not self.evidence.checks:
            return "not_checked"
        return "passed" if self.evidence.passed else "failed"

    def as_json(self) -> dict[str, Any]:
        """For answers and storage."""
        return {
            "code": self.code,
            "passed": self.evidence.passed,
            "fate": self.fate,
            "finish_reason": self.finish_reason,
            "round": self.round,
            "index": self.index,
            "tokens": self.tokens,
            "prompt_version": self.prompt_version,
            "verification_s": round(self.verification_s, 3),
            "checks": self.evidence.as_json(),
        }


def best_of(tried: Sequence[Candidate]) -> Candidate:
    """By evidence, and never one that is not whole if one is.

    Among those of which the same is certain, the one is taken that gives most often what others give (F. Shi et al.,
    MBR-EXEC, 2022: many attempts seldom share an error), whose faults are rare, and that holds more of what a model has
    guessed: code written without a view of the guesses hardly holds them all if either is wrong (B. Chen et al., CodeT,
    2022). Then who came first.
    """
    return max(tried, key=lambda candidate: _rank(candidate, tried))


def agreement(candidate: Candidate, tried: Sequence[Candidate]) -> float:
    """Between 0 and 1: the share of calls of the examples, and near them, that give the same in another candidate.

    The mean over all that are whole and break nothing that is certain; the candidate itself is one of them.
    """
    own = candidate.evidence.outcomes
    witnesses = [other.evidence.outcomes for other in tried if other.finish_reason == "stop" and other.evidence.sound]
    if not own or not witnesses:
        return 0.0
    return sum(sum(map(eq, own, theirs)) for theirs in witnesses) / (len(own) * len(witnesses))


def agreeing(candidate: Candidate, tried: Sequence[Candidate]) -> int:
    """How many candidates, itself among them, gave the same for every call, and broke nothing that is certain."""
    return sum(
        other.evidence.sound and other.evidence.outcomes == candidate.evidence.outcomes
        for other in tried
        if other.finish_reason == "stop"
    )


def in_doubt(best: Candidate, tried: Sequence[Candidate]) -> bool:
    """Whether `best` contradicts only what a model has guessed, and all others contradict something of that too.

    Then either the guess is wrong, or all of them are. Two have to be there, or none can bear it out.
    """
    held = {check.name for other in tried for check in other.evidence.checks if check.verdict == "passed"}
    doubted = [check for check in best.evidence.checks if check.guessed and check.verdict == "failed"]
    return best.evidence.sound and len(tried) >= WITNESSES and any(check.name not in held for check in doubted)


def borne_out(candidate: Candidate, tried: Sequence[Candidate]) -> bool:
    """Whether it passed everything, guesses too, in a later round than the first, and another did the same there.

    Code can seldom be written to fit a guess that is wrong, and still less often twice in the same way.
    """
    later = [other for other in tried if other.round and other.evidence.passed]
    same = sum(other.evidence.outcomes == candidate.evidence.outcomes for other in later)
    return bool(candidate.round and candidate.evidence.passed and same >= WITNESSES)


def settled(candidate: Candidate, tried: Sequence[Candidate], number: int, *, shown_guesses: bool = False) -> bool:
    """Whether it passed everything, and enough others that did give the same for every call: no more need be tried.

    A few examples let wrong code pass too; two that are wrong seldom agree on what is near them. Where all examples are
    a model's own, which are often wrong, more than half of the `number` that are written have to; in a round that is
    `shown_guesses` two are enough, as for `borne_out`. Where nothing was to be run, nothing can agree, and one is
    enough.
    """
    evidence = candidate.evidence
    same = sum(other.evidence.passed and other.evidence.outcomes == evidence.outcomes for other in tried)
    needed = WITNESSES if evidence.is_tried or shown_guesses else number // 2 + 1
    return evidence.passed and (same >= needed or not evidence.outcomes)


def with_doubts(best: Candidate, tried: Sequence[Candidate]) -> Candidate:
    """`best`, whose failed guesses say so where other candidates agree with it: then the guess may be what is wrong."""
    whole = sum(other.finish_reason == "stop" and bool(other.evidence.checks) for other in tried)
    agreed = agreeing(best, tried)
    if agreed < WITNESSES:
        return best
    doubt = f"; {agreed} of {whole} candidates do the same: what a model expected here may be wrong"
    checks = [
        replace(check, detail=check.detail + doubt) if check.guessed and check.verdict == "failed" else check
        for check in best.evidence.checks
    ]
    return replace(best, evidence=replace(best.evidence, checks=checks))


def _rank(candidate: Candidate, tried: Sequence[Candidate]) -> tuple[bool, bool, tuple[int, int], float]:
    evidence = candidate.evidence
    faults = evidence.crashes / max(1, len(evidence.outcomes))
    likely = agreement(candidate, tried) - FAULTS_WEIGH * faults + GUESSES_WEIGH * evidence.guesses_held
    return candidate.finish_reason == "stop", evidence.sound, evidence.score, round(likely, 6)


@dataclass(frozen=True)
class Implemented:
    """The best candidate, all of them, and what they took."""

    best: Candidate
    candidates: list[Candidate]
    usage: Usage
    timing: Timing

    @property
    def code(self) -> str:
        """The best candidate's."""
        return self.best.code

    @property
    def passed(self) -> bool:
        """Whether the best candidate passed everything."""
        return self.best.evidence.passed

    @property
    def evidence(self) -> dict[str, Any]:
        """The best candidate's checks, and how many there were to choose from."""
        return {**self.best.as_json(), "candidates": len(self.candidates)}
