"""How much generated code may grow, in any language."""

from dataclasses import dataclass

DEFAULT_DEPTH = 6
"""Compound statements within each other, in a function."""
DEFAULT_STATEMENTS = 30
# A small model that has begun to repeat itself does not stop: generated code is bounded where texts are not. llguidance
# counts characters with a state for each: 1,500 for a long string would cost 30 ms a compilation, 500 cost 10.
GENERATED = {
    "MAX_COMMENTS": 3,
    "MAX_ITEMS": 40,
    "MAX_NAME": 40,
    "MAX_STRING": 200,
    "MAX_LONG": 500,
    "MAX_COMMENT": 100,
}


@dataclass(frozen=True)
class Bounds:
    """The most that is written: levels of compound statements, statements of a block; `sizes`: names, texts, lists."""

    depth: int = DEFAULT_DEPTH
    statements: int | None = DEFAULT_STATEMENTS
    sizes: bool = True
