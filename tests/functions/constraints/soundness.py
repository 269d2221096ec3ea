"""Walks under random rule sets, each finished text judged by `ast` and without the grammar."""

from dataclasses import dataclass, field

from llguidance import LLTokenizer

from functions.constraints.artifact import CODE
from functions.constraints.code_checks import CHECKS
from functions.constraints.conflicts import contradictions
from functions.constraints.model import Language
from functions.constraints.requirements import composed
from functions.constraints.violations import Violation
from functions.failures import ConstraintRefused
from tests.functions.constraints.random_walks import Walker
from tests.functions.constraints.rule_sets import rule_set
from tests.functions.constraints.typescript_pieces import typescript_pieces

WALKS_A_SET = 20


@dataclass
class Soundness:
    """Counts, and what was found against the grammar: seeds of the set and of the walk, the text, what it breaks."""

    walks: int = 0
    finished: int = 0
    contradictory_sets: int = 0
    faults: list[tuple[int, int, str, list[Violation]]] = field(default_factory=list)


def walk_under_rules(
    tokenizer: LLTokenizer, *, walks: int, first_seed: int = 0, language: Language = "python"
) -> Soundness:
    """At least so many walks of at most 400 tokens."""
    walker = Walker(tokenizer, typescript_pieces() if language == "typescript" else None)
    found = Soundness()
    seed = first_seed
    while found.walks < walks:
        seed += 1
        requirements = composed(rule_set(seed, language=language), language)
        if any(contradictions(requirements, language)):
            found.contradictory_sets += 1
            continue
        try:
            matcher = walker.matcher(CODE[language](requirements).source)
        except ConstraintRefused:
            found.contradictory_sets += 1
            continue
        for number in range(WALKS_A_SET):
            walk = walker.walk(matcher, seed * 1000 + number)
            found.walks += 1
            if walk.finished:
                found.finished += 1
                if violations := CHECKS[language](walk.text, requirements):
                    found.faults.append((seed, number, walk.text, violations))
    return found
