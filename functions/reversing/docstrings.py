"""Docstrings in the three ways that people write them: Google's, NumPy's, Sphinx's fields."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

_GOOGLE = re.compile(
    r"(Args|Arguments|Parameters|Keyword Args|Returns?|Yields?|Raises|Examples?|Notes?|See Also|Attributes|Warnings?|"
    r"References)\s*:"
)
_UNDERLINE = re.compile(r"-{3,}")
_FIELD = re.compile(r":(\w+)\s*([^:]*):\s*(.*)")
_GOOGLE_ENTRY = re.compile(r"\*{0,2}(\w[\w.]*)\s*(?:\([^)]*\))?\s*:\s*(.*)")
_NUMPY_ENTRY = re.compile(r"\*{0,2}(\w[\w.]*)\s*(?::.*)?")
_PARAMETERS = frozenset({"args", "arguments", "parameters", "keyword args", "param", "parameter", "arg", "argument"})
_RAISES = frozenset({"raises", "raise", "except", "exception"})


@dataclass
class Docstring:
    """`summary` is the first paragraph in one line, `rationale` the others; without sections and doctests."""

    summary: str = ""
    rationale: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    raises: dict[str, str] = field(default_factory=dict)


def read_docstring(text: str) -> Docstring:
    """What a docstring says; `text` is without its indentation, as `ast.get_docstring` gives it."""
    read = Docstring()
    prose: list[str] = []
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        if _GOOGLE.fullmatch(line):
            body, at = _section(lines, at + 1, is_underlined=False)
            _entries(read, line.rstrip(": ").lower(), body, _GOOGLE_ENTRY)
        elif at + 1 < len(lines) and line.strip() and _UNDERLINE.fullmatch(lines[at + 1].strip()):
            body, at = _section(lines, at + 2, is_underlined=True)
            _entries(read, line.strip().lower(), body, _NUMPY_ENTRY)
        elif named := _FIELD.fullmatch(line.strip()):
            body, at = _section(lines, at + 1, is_underlined=False)
            words = named[2].split()
            _note(read, named[1], words[-1] if words else "", " ".join([named[3], *(b.strip() for b in body)]))
        elif line.lstrip().startswith(">>>"):
            at = _after_doctest(lines, at)
        else:
            prose.append(line)
            at += 1
    paragraphs = [" ".join(p.split()) for p in re.split(r"\n\s*\n", "\n".join(prose)) if p.strip()]
    read.summary = paragraphs[0] if paragraphs else ""
    read.rationale = "\n".join(paragraphs[1:])
    return read


def _section(lines: Sequence[str], at: int, *, is_underlined: bool) -> tuple[list[str], int]:
    """The lines of a section that begins at `at`: up to the next heading, or to what is not indented."""
    body = []
    while at < len(lines):
        line = lines[at]
        if is_underlined:
            following = lines[at + 1].strip() if at + 1 < len(lines) else ""
            if line.strip() and _UNDERLINE.fullmatch(following):
                break
        elif line.strip() and not line.startswith((" ", "\t")):
            break
        body.append(line)
        at += 1
    return body, at


def _entries(read: Docstring, heading: str, body: Sequence[str], form: re.Pattern[str]) -> None:
    """What a section says of each name: a line at the least indentation begins a new one."""
    indents = [len(line) - len(line.lstrip()) for line in body if line.strip()]
    name, words = "", list[str]()
    for line in body:
        begins = line.strip() and len(line) - len(line.lstrip()) == min(indents)
        found = form.fullmatch(line.strip()) if begins else None
        if found:
            _note(read, heading, name, " ".join(words))
            name, words = found[1], [found[2]] if form.groups > 1 else []
        elif line.strip():
            words.append(line.strip())
    _note(read, heading, name, " ".join(words))


def _note(read: Docstring, heading: str, name: str, words: str) -> None:
    if not name:
        return
    if heading in _PARAMETERS:
        read.parameters[name] = " ".join(words.split())
    elif heading in _RAISES:
        read.raises[name] = " ".join(words.split())


def _after_doctest(lines: Sequence[str], at: int) -> int:
    while at < len(lines) and lines[at].strip():
        at += 1
    return at
