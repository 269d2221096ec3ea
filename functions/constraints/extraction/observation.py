"""What was seen in source code: facts with their place, before anything is concluded from them."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

NameKind = Literal["functions", "classes", "variables", "parameters", "constants"]


class Place(NamedTuple):
    """Where something stands: file, line (1-based) and the line's text."""

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Named:
    """A name that was given to something."""

    name: str
    place: Place


@dataclass(frozen=True)
class FunctionSeen:
    """One function or method with what its habits are measured by."""

    name: str
    signature: str
    place: Place
    annotated: bool
    documented: bool
    lines: int
    nesting: int
    is_public: bool
    is_top_level: bool
    is_test: bool


@dataclass
class Observations:
    """All that was seen in the files of one language."""

    names: dict[NameKind, list[Named]] = field(default_factory=dict)
    functions: list[FunctionSeen] = field(default_factory=list)
    imports: dict[str, Place] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    call_places: dict[str, Place] = field(default_factory=dict)
    raised: dict[str, list[Place]] = field(default_factory=dict)
    syntax: Counter[str] = field(default_factory=Counter)
    handlers: int = 0
    asserted: list[Place] = field(default_factory=list)
    line_lengths: Counter[int] = field(default_factory=Counter)

    def saw_name(self, kind: NameKind, name: str, place: Place) -> None:
        """Add a name with its place."""
        self.names.setdefault(kind, []).append(Named(name, place))

    def saw_call(self, name: str, place: Place) -> None:
        """Count a call; the first place is kept."""
        self.calls[name] += 1
        self.call_places.setdefault(name, place)

    def saw_lines(self, text: str) -> None:
        """Count the lines that are not blank by their length in characters."""
        self.line_lengths.update(len(line) for line in text.splitlines() if line.strip())
