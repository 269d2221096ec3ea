"""Which version of a prompt serves a request, and what comes of each version: two can be compared in service.

The same request gets the same version as long as the weights stay. What was made says which one it was (an IR in its
metadata, code in its evidence); how often each succeeds, and what it takes, goes where all measurements go.
"""

import hashlib
from bisect import bisect
from collections.abc import Mapping
from itertools import accumulate

from functions.generation import Timing, Usage
from functions.prompt_uses import PromptOutcome, PromptUse, note_prompt
from functions.prompting import Prompt, load_prompt
from infra import telemetry
from infra import telemetry_names as names


def chosen_prompt(weights: Mapping[str, float], request: str) -> Prompt:
    """One of the versions by its share of the weights, drawn by the request's own text."""
    drawn = int.from_bytes(hashlib.sha256(request.encode(errors="surrogatepass")).digest()[:8]) / 2**64
    bounds = list(accumulate(weights.values()))
    return load_prompt([*weights][bisect(bounds[:-1], drawn * bounds[-1])])


def record_prompt(
    version: str, outcome: PromptOutcome, usage: Usage | None = None, timing: Timing | None = None
) -> None:
    """Count what came of a version; of what was cut, nothing more is known."""
    tokens = usage.completion_tokens if usage is not None else None
    note_prompt(PromptUse(version, outcome, tokens, timing.total_s if timing is not None else None))
    instruments = telemetry.instruments()
    labels = {names.PROMPT_VERSION: version, names.PROMPT_OUTCOME: outcome}
    instruments.prompt_outcomes.add(1, labels)
    if usage is not None:
        instruments.prompt_tokens.record(usage.completion_tokens, labels)
    if timing is not None:
        instruments.prompt_duration.record(timing.total_s, labels)
