"""How much llguidance may do for one mask, in an engine as in the trial of a constraint before it.

By itself it gives up after 50,000 parser items, which a vocabulary of 150,000 tokens exceeds wherever a line of code
begins: from then on it lets a text only end, as if that had been the model's wish. With Qwen's vocabulary the
references of the evaluation need between 100,000 and 150,000; masks then take 1.4 ms on average, and 10 ms at most.
"""

from typing import Any

import llguidance

STEP_ITEMS = 500_000


def matcher(tokenizer: llguidance.LLTokenizer, grammar: str, *, log_level: int = 0) -> llguidance.LLMatcher:
    """A matcher with our limits; like every one of llguidance it never raises: see `is_error`."""
    limits = llguidance.LLParserLimits(step_max_items=STEP_ITEMS)
    return llguidance.LLMatcher(tokenizer, grammar, log_level=log_level, limits=limits)


class _Limited:
    """Stands for the class `LLMatcher`, from which none can be derived, where others make matchers of it."""

    def __init__(self, original: type[llguidance.LLMatcher]) -> None:
        self._original = original

    def __call__(self, *arguments: Any, **options: Any) -> llguidance.LLMatcher:
        options.setdefault("limits", llguidance.LLParserLimits(step_max_items=STEP_ITEMS))
        return self._original(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._original, name)


def limit_all_matchers() -> None:
    """From now on vLLM, which passes no limits to llguidance, makes its matchers with ours in this process."""
    if not isinstance(llguidance.LLMatcher, _Limited):
        llguidance.LLMatcher = _Limited(llguidance.LLMatcher)  # type: ignore[misc, assignment] # on purpose
