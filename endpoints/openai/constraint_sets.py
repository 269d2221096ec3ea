"""Constraint sets of ours under /v1: held to while decoding, checked afterwards, in OpenAI's chunks."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from endpoints.admission import Admission
from endpoints.engine_events import engine_events
from endpoints.openai.constraints import AskedConstraint
from endpoints.services import Services
from functions.checked_generation import Checked, Rewrite, checked_generation
from functions.constraints.compilation import Compiled
from functions.failures import Refused
from functions.generation import Delta, Finished, GenerationEvent, GenerationRequest


@dataclass(frozen=True)
class AskedSet:
    """A constraint set as it was sent, or the digest of one; not compiled yet."""

    constraints: dict[str, Any] | list[Any] | None
    digest: str | None


def asked_set(
    constraints: dict[str, Any] | list[Any] | None, digest: str | None, beside: AskedConstraint | None, n: int = 1
) -> AskedSet | None:
    """None where there is none. Raises `Refused` for one that comes with another constraint, or with candidates."""
    if constraints is None and digest is None:
        return None
    pointer = "/digest" if constraints is None else "/constraints"
    if beside is not None:
        raise Refused(pointer, "give a constraint set, or a format, structured_outputs or tools: not both")
    if n > 1:
        raise Refused("/n", "a text under a constraint set is checked and written again: ask for one at a time")
    return AskedSet(constraints, digest)


async def events_under(
    app: Services, generation: GenerationRequest, admission: Admission, compiled: Compiled, verdict: dict[str, Any]
) -> AsyncGenerator[GenerationEvent, None]:
    """The events of the attempt that counts; `verdict` is filled in before they say that it has ended.

    Where a check may make the text be written again, its parts come when it has been checked: OpenAI's chunks cannot
    take back what they said. An empty part comes at once, so that a stream begins.
    """
    verdict |= {"digest": compiled.digest, "attempts": 1, "violations": []}
    kept: list[GenerationEvent] = []
    begun = False
    attempts = checked_generation(
        lambda asked: engine_events(app, asked, admission), app.compiler, generation, compiled
    )
    async with aclosing(attempts):
        async for event in attempts:
            match event:
                case Rewrite():
                    kept.clear()
                case Checked() as checked:
                    violations = [violation._asdict() for violation in checked.violations]
                    verdict |= {"attempts": checked.attempts, "violations": violations}
                case Finished():
                    pass
                case _ if compiled.has_checks:
                    kept.append(event)
                    if not begun:
                        begun = True
                        yield Delta(text="", tokens=0)
                case _:
                    yield event
    for event in kept:
        yield event
    yield Finished(finish_reason=checked.finish_reason, usage=checked.usage, timing=checked.timing)
