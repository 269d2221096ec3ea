"""Which version of a prompt serves a request, and what comes of each version: two can be compared in service.

The same request gets the same version as long as the weights stay. What was made says which one it was (an IR in its
metadata, code in its evidence); how often each succeeds, and what it takes, goes where all measurements go.
"""

import hashlib
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate

from functions.candidates import Candidate
from functions.generation import Timing
from functions.prompt_uses import PromptOutcome, PromptUse, note_prompt
from functions.prompting import Prompt, load_prompt
from infra import telemetry
from infra import telemetry_names as names

_OUTCOMES: tuple[PromptOutcome, ...] = ("passed", "failed", "cut")


def chosen_prompt(weights: Mapping[str, float], request: str) -> Prompt:
    """One of the versions by its share of the weights, drawn by the request's own text."""
    drawn = int.from_bytes(hashlib.sha256(request.encode(errors="surrogatepass")).digest()[:8]) / 2**64
    bounds = list(accumulate(weights.values()))
    return load_prompt([*weights][bisect(bounds[:-1], drawn * bounds[-1])])


def record_candidates(tried: Sequence[Candidate], timing: Timing) -> None:
    """Count what came of each version that candidates were written from: the best of its own, and all their tokens."""
    for version in dict.fromkeys(candidate.prompt_version for candidate in tried):
        own = [candidate for candidate in tried if candidate.prompt_version == version]
        fates = {candidate.fate for candidate in own}
        outcome: PromptOutcome | None = next((fate for fate in _OUTCOMES if fate in fates), None)
        if outcome is not None:  # None: others had passed before any of its own was finished
            record_prompt(version, outcome, sum(candidate.tokens for candidate in own), timing)


def record_prompt(
    version: str, outcome: PromptOutcome, tokens: int | None = None, timing: Timing | None = None
) -> None:
    """Count what came of a version, and the `tokens` that were generated; of a specification that was cut, no more."""
    note_prompt(PromptUse(version, outcome, tokens, timing.total_s if timing is not None else None))
    instruments = telemetry.instruments()
    labels = {names.PROMPT_VERSION: version, names.PROMPT_OUTCOME: outcome}
    instruments.prompt_outcomes.add(1, labels)
    if tokens is not None:
        instruments.prompt_tokens.record(tokens, labels)
    if timing is not None:
        instruments.prompt_duration.record(timing.total_s, labels)
