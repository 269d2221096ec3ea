"""Reads a grammar of `grammars/` and specialises it: words forbidden, rules and terminals redefined, limits lowered.

What the notation means is said at the top of `grammars/python.lark`. A grammar stays one text that a person can read;
nothing here knows the language that it describes. `unrolling` writes the result out for llguidance.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from functions.constraints.pruning import without

_GRAMMARS = Path(__file__).with_name("grammars")
_FIELD = re.compile(r"//@ (unrolled |)field (\w+)\s*= \[(\d+):(\d+)\]")
_FLAG = re.compile(r"//@ (unrolled |)flag (\w+)\s*= (\d+)")
_LIMIT = re.compile(r"//@ limit (\w+)\s*= (\d+|none)")
_HEAD = re.compile(r"([a-z_]\w*)(?:::_)?:(?!:)|([A-Z_]\w*):(?!:)")
_TAG = re.compile(r"\s*//: ([\w ]+)$")
_CONDITION = re.compile(r"\s*%if (.*)$")
_REFERENCE = re.compile(
    r"\"(?:\\.|[^\"\\])*\"|/(?:\\.|[^/\\])+/|\{\d+,\w+\}|(?P<name>[A-Za-z_]\w*)(?:::(?P<parameter>\w+(?:\([^)]*\))?))?"
)


@dataclass(frozen=True)
class Bits:
    """A named part of the parameter, from bit `start` up to and without `end`. `unrolled`: see `unrolling`."""

    start: int
    end: int
    unrolled: bool

    @property
    def is_field(self) -> bool:
        """Whether it counts; a flag is set or clear."""
        return self.end - self.start > 1

    @property
    def mask(self) -> int:
        """Its bits set, all others clear."""
        return (1 << self.end) - (1 << self.start)


@dataclass(frozen=True)
class Alternative:
    """One line of a rule: what may be written, where (`%if`), and the words of the language that it stands for."""

    text: str
    condition: str = ""
    words: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Definition:
    """A terminal, or a rule, which may be `parametric` (written `name::_`)."""

    name: str
    alternatives: tuple[Alternative, ...]
    parametric: bool = False


class Reference(NamedTuple):
    """A rule or a terminal as an alternative names it; `parameter` as written after `::`, empty without one."""

    name: str
    parameter: str

    @property
    def is_constant(self) -> bool:
        """Whether it is the same in every context."""
        return self.parameter[:1].isdigit()

    def __str__(self) -> str:
        return f"{self.name}::{self.parameter}" if self.parameter else self.name


@dataclass(frozen=True)
class Grammar:
    """A grammar file, read, and possibly specialised. `words` are all that the file knows."""

    definitions: Mapping[str, Definition]
    bits: Mapping[str, Bits]
    limits: Mapping[str, int | None]
    words: frozenset[str]

    def specialised(
        self,
        *,
        without: Collection[str] = (),
        definitions: Mapping[str, str] | None = None,
        limits: Mapping[str, int | None] | None = None,
    ) -> "Grammar":
        """The grammar without the alternatives that are marked with one of the words `without`.

        `definitions` replace the bodies of rules and terminals by name, or add new ones. Rules that nothing can be
        written with any more go, with the alternatives that need them. Raises `KeyError` for a word or a limit that
        the grammar does not know.
        """
        if unknown := set(without) - self.words:
            raise KeyError(f"no alternative is marked with {', '.join(sorted(unknown))}")
        if unknown := set(limits or {}) - set(self.limits):
            raise KeyError(f"no such limit: {', '.join(sorted(unknown))}")
        gone = frozenset(without)
        remaining = {
            name: Definition(name, tuple(a for a in d.alternatives if not a.words & gone), d.parametric)
            for name, d in self.definitions.items()
        }
        for name, body in (definitions or {}).items():
            parametric = remaining[name].parametric if name in remaining else "::_" in body
            remaining[name] = Definition(name, tuple(map(_alternative, body.split("\n"))), parametric)
        drop_impossible(remaining)
        return Grammar(remaining, self.bits, {**self.limits, **(limits or {})}, self.words)


@cache
def load(name: str) -> Grammar:
    """The grammar of a file in `grammars/`, without its suffix."""
    return read((_GRAMMARS / f"{name}.lark").read_text(encoding="utf-8"))


def read(text: str) -> Grammar:
    """A grammar file's text. Raises `ValueError` for a line that belongs to no definition."""
    bits: dict[str, Bits] = {}
    limits: dict[str, int | None] = {}
    bodies: dict[str, list[Alternative]] = {}
    parametric: set[str] = set()
    body: list[Alternative] = []
    for line in text.splitlines():
        if field := _FIELD.match(line):
            bits[field[2]] = Bits(int(field[3]), int(field[4]), bool(field[1]))
        elif flag := _FLAG.match(line):
            bits[flag[2]] = Bits(int(flag[3]), int(flag[3]) + 1, bool(flag[1]))
        elif limit := _LIMIT.match(line):
            limits[limit[1]] = None if limit[2] == "none" else int(limit[2])
        elif head := _HEAD.match(line):
            name = head[1] or head[2]
            body = bodies.setdefault(name, [])
            body.append(_alternative(line[head.end() :]))
            if "::" in head.group():
                parametric.add(name)
        elif line.lstrip().startswith("|"):
            body.append(_alternative(line.lstrip()[1:]))
        elif line.strip() and not line.startswith("//"):
            raise ValueError(f"not part of a rule: {line}")
    definitions = {name: Definition(name, tuple(lines), name in parametric) for name, lines in bodies.items()}
    words = frozenset(w for d in definitions.values() for a in d.alternatives for w in a.words)
    return Grammar(definitions, bits, limits, words)


@lru_cache(maxsize=16_384)
def pieces(text: str) -> tuple[str | Reference, ...]:
    """An alternative, cut where it names a rule or a terminal."""
    cut: list[str | Reference] = []
    end = 0
    for match in _REFERENCE.finditer(text):
        if match["name"]:
            cut += [text[end : match.start()], Reference(match["name"], match["parameter"] or "")]
            end = match.end()
    return (*cut, text[end:])


@lru_cache(maxsize=16_384)
def references(text: str) -> tuple[Reference, ...]:
    """The rules and terminals that an alternative names."""
    return tuple(piece for piece in pieces(text) if isinstance(piece, Reference))


def replace_references(text: str, replacement: Mapping[Reference, str]) -> str:
    """The alternative with its references written otherwise."""
    return "".join(
        replacement.get(piece, str(piece)) if isinstance(piece, Reference) else piece for piece in pieces(text)
    )


def _alternative(line: str) -> Alternative:
    words: frozenset[str] = frozenset()
    condition = ""
    if tag := _TAG.search(line):
        words, line = frozenset(tag[1].split()), line[: tag.start()]
    if found := _CONDITION.search(line):
        condition, line = found[1].strip(), line[: found.start()]
    return Alternative(line.strip(), condition, words)


def drop_impossible(definitions: dict[str, Definition]) -> None:
    """Remove rules without alternatives, and alternatives that need them, until none is left."""
    while gone := {name for name, d in definitions.items() if not d.alternatives}:
        for name in gone:
            del definitions[name]
        for name, d in list(definitions.items()):
            if any(r.name in gone for a in d.alternatives for r in references(a.text)):
                possible = tuple(filter(None, (_possible(a, gone) for a in d.alternatives)))
                definitions[name] = Definition(name, possible, d.parametric)


def _possible(alternative: Alternative, gone: set[str]) -> Alternative | None:
    """The alternative without what is gone, as far as it can do without."""
    if not any(reference.name in gone for reference in references(alternative.text)):
        return alternative
    text = without(alternative.text, gone)
    return None if text is None else Alternative(text, alternative.condition, alternative.words)
