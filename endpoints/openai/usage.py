"""Counts and log probabilities in OpenAI's words."""

import math
from collections.abc import Iterable
from typing import Any

from functions.generation import TokenLogprob, Usage

IMPOSSIBLE = -9999.0
"""What OpenAI gives for a token that is beyond its precision: JSON has no minus infinity."""


def usage_document(usage: Usage) -> dict[str, Any]:
    """For chat completions and completions."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
    }


def logprob_documents(tokens: Iterable[TokenLogprob]) -> list[dict[str, Any]]:
    """Each token with its bytes and its alternatives, as chat completions have them."""
    return [
        {**_logprob(entry.token, entry.logprob), "top_logprobs": [_logprob(*other) for other in entry.top]}
        for entry in tokens
    ]


def finite(logprob: float) -> float:
    """A number that JSON has."""
    return logprob if math.isfinite(logprob) else IMPOSSIBLE


def _logprob(token: str, logprob: float) -> dict[str, Any]:
    return {"token": token, "logprob": finite(logprob), "bytes": list(token.encode(errors="replace"))}
