"""A generation under a compiled constraint set.

What no grammar holds is checked on the finished text, which is written again, with its faults named, if it fails.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from functions.code_fences import fenced
from functions.constraints.compilation import Compiled, ConstraintCompiler
from functions.constraints.violations import Violation
from functions.generation import (
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    GenerationRequest,
    Message,
    Timing,
    Usage,
)

Generate = Callable[[GenerationRequest], AsyncGenerator[GenerationEvent, None]]
MOST_ATTEMPTS = 3
RETRY_TEMPERATURE = 0.7
"""At least this when a text is written again: the likeliest one has failed."""
_MOST_FAULTS = 5


@dataclass(frozen=True)
class Rewrite:
    """The text so far does not count: it breaks these, and is written again from its beginning."""

    violations: list[Violation]


@dataclass(frozen=True)
class Checked:
    """The end: the last attempt's text, what it still breaks, and what all attempts took together."""

    text: str
    finish_reason: FinishReason
    violations: list[Violation]
    attempts: int
    usage: Usage
    timing: Timing


def attempts(compiled: Compiled | None) -> int:
    """How many generations a request may take."""
    return MOST_ATTEMPTS if compiled is not None and compiled.has_checks else 1


def under(request: GenerationRequest, compiled: Compiled | None) -> GenerationRequest:
    """The request with the set's artifact as its constraint, and with what only words can ask for in its prompt."""
    if compiled is None:
        return request
    words = [f"- {line}" for line in compiled.prompt]
    messages = request.messages
    if words:
        told = Message(role="system", content="\n".join(["Keep to these:", *words]))
        first = messages[0]
        if first.role == "system":
            merged = Message(role="system", content=f"{first.content}\n\n{told.content}")
            messages = (merged, *messages[1:])
        else:
            messages = (told, *messages)
    held = request.model_copy(update={"constraint": compiled.constraint, "messages": messages})
    return fenced(held, compiled.language) if compiled.base == "code" and not request.raw else held


async def checked_generation(
    generate: Generate, compiler: ConstraintCompiler, request: GenerationRequest, compiled: Compiled | None
) -> AsyncGenerator[GenerationEvent | Rewrite | Checked, None]:
    """The engine's events of every attempt, `Rewrite` between two, `Checked` at the end.

    Every stream of `generate` ends with `Finished`, or raises. A text that was cut is not checked: it is a prefix, and
    its finish_reason says so.
    """
    base = asked = under(request, compiled)
    spent: list[Finished] = []
    while True:
        parts: list[str] = []
        async with aclosing(generate(asked)) as events:
            async for event in events:
                match event:
                    case Delta():
                        parts.append(event.text)
                    case Finished():
                        spent.append(event)
                yield event
        text = "".join(parts)
        violations: list[Violation] = []
        if compiled is not None and compiled.has_checks and spent[-1].finish_reason == "stop":
            (violations,) = await compiler.violations([text], compiled)
        if not violations or len(spent) >= attempts(compiled):
            break
        yield Rewrite(violations)
        asked = _again(base, text, violations)
    yield Checked(text, spent[-1].finish_reason, violations, len(spent), *in_all(spent))


def in_all(spent: Sequence[Finished]) -> tuple[Usage, Timing]:
    """What several generations took together."""
    return together([(finished.usage, finished.timing) for finished in spent])


def together(spent: Sequence[tuple[Usage, Timing]]) -> tuple[Usage, Timing]:
    """The sums; the first token is the first one's."""
    usage = Usage(
        prompt_tokens=sum(usage.prompt_tokens for usage, _ in spent),
        cached_tokens=sum(usage.cached_tokens for usage, _ in spent),
        completion_tokens=sum(usage.completion_tokens for usage, _ in spent),
    )
    first = spent[0][1].time_to_first_token_s if spent else None
    return usage, Timing(time_to_first_token_s=first, total_s=sum(timing.total_s for _, timing in spent))


def _again(request: GenerationRequest, text: str, violations: list[Violation]) -> GenerationRequest:
    """The request once more; in a conversation the model sees its last attempt, and what was wrong with it."""
    sampling = request.sampling.model_copy(
        update={
            "temperature": max(request.sampling.temperature, RETRY_TEMPERATURE),
            "seed": None if request.sampling.seed is None else request.sampling.seed + 1,
        }
    )
    faults = "\n".join(f"- line {v.line}: {v.message}" for v in violations[:_MOST_FAULTS])
    told = (
        Message(role="assistant", content=text),
        Message(role="user", content=f"That is not what was asked for:\n{faults}\nWrite all of it again."),
    )
    messages = request.messages if request.raw else (*request.messages, *told)
    return request.model_copy(update={"sampling": sampling, "messages": messages})
