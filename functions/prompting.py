"""Prompts as files with versions: a system text and few-shot turns, which every request shares and vLLM caches.

`prompts/<name>.v<version>.md`: parts between lines of `---`; the first is the system's, the others begin with
`user: ` or `assistant: `.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from functions.evidence import Check
from functions.generation import Message
from functions.ir import LEFT_TO_CODE, IntermediateRepresentation

_DIRECTORY = Path(__file__).with_name("prompts")


@dataclass(frozen=True)
class Prompt:
    """A system text with its few-shots. `version` ("specify.v1") is stored with what was made by it."""

    version: str
    shots: tuple[Message, ...]

    def messages(self, request: str) -> tuple[Message, ...]:
        """The turns up to the one that the model has to answer."""
        return (*self.shots, Message(role="user", content=request))


@cache
def load_prompt(version: str) -> Prompt:
    """Raises `FileNotFoundError` for a version that is not there."""
    system, *turns = (_DIRECTORY / f"{version}.md").read_text().split("\n---\n")
    shots = [Message(role="system", content=system.strip())]
    for turn in turns:
        speaker, _, content = turn.partition(": ")
        shots.append(Message(role="user" if speaker == "user" else "assistant", content=content.strip("\n")))
    return Prompt(version, tuple(shots))


def specification_text(ir: IntermediateRepresentation, *, guesses: bool = True) -> str:
    """The IR as the model reads it: what for, the head, what is required, examples, answers that were given.

    Without `guesses` the examples and assertions that a model has made up are left out.
    """
    left_out = frozenset[str]() if guesses else ir.guesses
    name = ir.signature.name
    lines = [ir.intent.summary]
    lines += [f"As it was asked for: {ir.intent.rationale}"] if ir.intent.rationale else []
    lines += [ir.signature.to_source()]
    lines += [f"{p.name}: {p.description}" for p in ir.signature.parameters if p.description]
    # What decides nothing only leads a small model astray: it goes on about the question until its tokens run out.
    lines += [f"{hole.question} {hole.answer}" for hole in ir.holes if hole.answer not in (None, LEFT_TO_CODE)]
    lines += [f"Always: {one.expression}" for i, one in enumerate(ir.assertions) if f"/assertions/{i}" not in left_out]
    for number, example in enumerate(ir.examples):
        if f"/examples/{number}" in left_out:
            continue
        call = f"{name}({', '.join(example.arguments)})"
        lines.append(f"{call} raises {example.raises}" if example.raises else f"{call} == {example.result or 'None'}")
    lines += [str(c["description"]) for c in ir.constraints if c.get("description")]
    return "\n".join(lines)


def repair_text(ir: IntermediateRepresentation, code: str, failures: list[Check]) -> str:
    """The specification again, with an attempt at it and what was wrong with that."""
    faults = "\n".join(f"- {check.detail}" for check in failures[:5])
    wanted = specification_text(ir, guesses=False)
    return f"{wanted}\n\nThis attempt is wrong:\n{code}\n{faults}\nWrite the whole function again."
