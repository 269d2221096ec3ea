"""What came of each use of a prompt, for whoever accounts for the work that it was part of."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal

PromptOutcome = Literal["made", "passed", "failed", "cut"]
"""A specification is made; code has passed every check, or not; either is cut when it does not come to its end."""


@dataclass(frozen=True)
class PromptUse:
    """One use of one version. What was cut has no tokens and no seconds of its own: they are the work's."""

    version: str
    outcome: PromptOutcome
    tokens: int | None = None
    seconds: float | None = None


_noted: ContextVar[list[PromptUse] | None] = ContextVar("noted", default=None)


@contextmanager
def noting_prompts() -> Iterator[list[PromptUse]]:
    """The list grows by each use within, in tasks that are begun within too."""
    uses: list[PromptUse] = []
    token = _noted.set(uses)
    try:
        yield uses
    finally:
        _noted.reset(token)


def note_prompt(use: PromptUse) -> None:
    """Tell of a use; where nobody accounts for it, nobody is told."""
    uses = _noted.get()
    if uses is not None:
        uses.append(use)
