"""Prompts as files with versions: a system text and few-shot turns, which every request shares and vLLM caches.

`prompts/<name>.v<version>.md`: parts between lines of `---`, which begin with `user: ` or `assistant: `; a first one
that does not is the system's. A last turn with `{request}` in it is filled with the request, which is another's turn
otherwise.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from functions.evidence import Check
from functions.generation import Message
from functions.ir import LEFT_TO_CODE, IntermediateRepresentation

REQUEST = "{request}"
_DIRECTORY = Path(__file__).with_name("prompts")


@dataclass(frozen=True)
class Prompt:
    """A system text with its few-shots. `version` ("specify.v1") is stored with what was made by it."""

    version: str
    shots: tuple[Message, ...]

    @property
    def takes_request(self) -> bool:
        """Whether it has a place for what the user asked for (`request_text`), and no examples of specifications."""
        return REQUEST in self.shots[-1].content

    def messages(self, request: str) -> tuple[Message, ...]:
        """The turns up to the one that the model has to answer."""
        if self.takes_request:
            last = self.shots[-1]
            return (*self.shots[:-1], Message(role=last.role, content=last.content.replace(REQUEST, request)))
        return (*self.shots, Message(role="user", content=request))


@cache
def load_prompt(version: str) -> Prompt:
    """Raises `FileNotFoundError` for a version that is not there."""
    parts = (_DIRECTORY / f"{version}.md").read_text().split("\n---\n")
    return Prompt(version, tuple(map(_turn, parts)))


def _turn(part: str) -> Message:
    speaker, _, content = part.partition(": ")
    match speaker:
        case "user" | "assistant":
            return Message(role=speaker, content=content.strip("\n"))
    return Message(role="system", content=part.strip())


def request_text(ir: IntermediateRepresentation, *, guesses: bool = False) -> str:
    """What was asked for, in the words that asked for it where there are any, and what has become certain since.

    A summary that a model has made of these words is left out: it is shorter than they are, and may be wrong. Its
    examples and assertions are too, without `guesses`.
    """
    is_made_up = "/intent" in ir.guesses and bool(ir.intent.rationale)
    parts = [ir.intent.rationale] if is_made_up else [ir.intent.summary, ir.intent.rationale]
    words = "\n".join(filter(None, parts))
    said = {line.strip() for line in words.splitlines()}
    head = ir.signature.to_source()
    lines = [words] if head in words else [words, f"The function: {head}"]
    left_out = frozenset[str]() if guesses else ir.guesses
    return "\n".join([*lines, *(line for line in _lines(ir, left_out) if line not in said)])


def specification_text(ir: IntermediateRepresentation, *, guesses: bool = True) -> str:
    """The IR as the model reads it: what for, the head, what is required, examples, answers that were given.

    Without `guesses` the examples and assertions that a model has made up are left out.
    """
    left_out = frozenset[str]() if guesses else ir.guesses
    lines = [ir.intent.summary]
    lines += [f"As it was asked for: {ir.intent.rationale}"] if ir.intent.rationale else []
    return "\n".join([*lines, ir.signature.to_source(), *_lines(ir, left_out)])


def _lines(ir: IntermediateRepresentation, left_out: frozenset[str]) -> list[str]:
    """What is said of the head's parts, answers that were given, what is required, examples; not `left_out`."""
    name = ir.signature.name
    lines = [f"{p.name}: {p.description}" for p in ir.signature.parameters if p.description]
    # What decides nothing only leads a small model astray: it goes on about the question until its tokens run out.
    lines += [f"{hole.question} {hole.answer}" for hole in ir.holes if hole.answer not in (None, LEFT_TO_CODE)]
    lines += [f"Always: {one.expression}" for i, one in enumerate(ir.assertions) if f"/assertions/{i}" not in left_out]
    for number, example in enumerate(ir.examples):
        if f"/examples/{number}" in left_out:
            continue
        call = f"{name}({', '.join(example.arguments)})"
        lines.append(f"{call} raises {example.raises}" if example.raises else f"{call} == {example.result or 'None'}")
    lines += [str(c["description"]) for c in ir.constraints if c.get("description")]
    return lines


def repair_text(wanted: str, code: str, failures: list[Check]) -> str:
    """What is wanted again, with an attempt at it and what was wrong with that."""
    faults = "\n".join(f"- {check.detail}" for check in failures[:5])
    return f"{wanted}\n\nThis attempt is wrong:\n{code}\n{faults}\nWrite the whole function again."
