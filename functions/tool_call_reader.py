"""Calls of functions in a model's text, told from text while it comes. The form: `functions.tool_calls`."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from functions.tool_calls import OPEN, Calling

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\S)')


@dataclass(frozen=True)
class Said:
    """Text beside a call."""

    text: str


@dataclass(frozen=True)
class Called:
    """A call has begun."""

    name: str


@dataclass(frozen=True)
class Argument:
    """The next part of the call's arguments, which are JSON once they are whole."""

    text: str


Piece = Said | Called | Argument


class CallReader:
    """Reads one candidate's text as it comes, and tells calls from text. What follows a call is left out."""

    def __init__(self, calling: Calling | None) -> None:
        self._state: Literal["text", "head", "arguments", "over"] = "head" if calling == "must" else "text"
        self._calling = calling
        self._held = ""  # what may be the beginning of a call
        self._arguments = _JsonEnd()
        self.called = False

    @property
    def complete(self) -> bool:
        """Whether a call has been written to its end."""
        return self._state == "over"

    def read(self, text: str) -> Iterator[Piece]:
        """What `text` adds."""
        if self._calling is None:
            yield Said(text)
            return
        self._held += text
        if self._state == "text":
            yield from self._read_text()
        if self._state == "head" and (head := _HEAD.match(self._held)):
            self._held = self._held[head.end() :]
            self._state = "arguments"
            self.called = True
            yield Called(json.loads(head[1]))
        if self._state == "arguments":
            yield from self._read_arguments()

    def end(self) -> Iterator[Piece]:
        """What was held back and is no call after all: there comes no more."""
        if self._state == "text" and self._held:
            yield Said(self._held)

    def _read_text(self) -> Iterator[Piece]:
        before, mark, after = self._held.partition(OPEN)
        if mark:
            self._state, self._held = "head", after
        else:
            begun = next((n for n in range(len(OPEN) - 1, 0, -1) if before.endswith(OPEN[:n])), 0)
            before = before[: len(before) - begun]
        said = before.rstrip()  # the white space before a call is not said
        if not mark:
            self._held = self._held[len(said) :]
        if said:
            yield Said(said)

    def _read_arguments(self) -> Iterator[Piece]:
        text, self._held = self._held, ""
        end = self._arguments.find(text)
        if end is not None:
            self._state, text = "over", text[:end]
        if text:
            yield Argument(text)


class _JsonEnd:
    """Finds where a JSON object ends, in text that comes in parts."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = False
        self._escaped = False

    def find(self, text: str) -> int | None:
        """How far into `text` the object goes, once it ends there."""
        for position, character in enumerate(text):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif character == "\\":
                    self._escaped = True
                elif character == '"':
                    self._in_string = False
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    return position + 1
        return None
