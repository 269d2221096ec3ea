"""What every route that asks an engine does: try the constraint, bound the tokens, count what comes back."""

import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

from endpoints.admission import Admission
from endpoints.services import Services
from functions.failures import ConstraintRefused, EngineUnavailable, Refused
from functions.generation import Constraint, Finished, GenerationEvent, GenerationRequest, Timing
from infra.settings import Settings


async def engine_events(
    app: Services, generation: GenerationRequest, admission: Admission
) -> AsyncGenerator[GenerationEvent, None]:
    """The engine's events, noted for the ledger; the last one is `Finished`. Raises `EngineUnavailable` without it.

    A deterministic request's are kept, and given again to who asks the same.
    """
    began = time.monotonic()
    key = admission.answers.key(generation)
    if key is not None and (found := await admission.answers.find(key)) is not None:
        took_s = time.monotonic() - began
        for event in found:
            admission.note_found(event)
            if isinstance(event, Finished):  # as long as it took now, not as it took then
                yield event.model_copy(update={"timing": Timing(time_to_first_token_s=took_s, total_s=took_s)})
            else:
                yield event
        return
    kept: list[GenerationEvent] = []
    async with aclosing(app.engine.generate(generation)) as events:
        async for event in events:
            admission.note(event)
            if key is not None:
                kept.append(event)
            if key is not None and isinstance(event, Finished):
                app.afterwards.begin(admission.answers.keep(key, kept))
            yield event
            if isinstance(event, Finished):
                return
    raise EngineUnavailable("the engine", "it ended a generation without saying how")


async def check_constraint(app: Services, constraint: Constraint, places: Mapping[str, str]) -> None:
    """Raises `ConstraintRefused` with a pointer from the body's root: the validator knows only the value.

    `places` maps pointers into the constraint to the body's pointers to where those parts came from; the longest that
    leads to the fault counts, and "" is there.
    """
    try:
        await app.validator.check(constraint)
    except ConstraintRefused as refused:
        inside = max((p for p in places if f"{refused.pointer}/".startswith(f"{p}/")), key=len)
        place = places[inside] + refused.pointer.removeprefix(inside)
        raise ConstraintRefused(place, refused.reason) from None


def max_tokens_for(settings: Settings, asked: int | None, pointer: str) -> int:
    """As asked for, or the default. Raises `Refused` for more than the model's context holds."""
    longest = settings.engine.max_model_len
    if asked is not None and asked > longest:
        raise Refused(pointer, f"this model's context holds {longest} tokens, prompt included")
    return asked or settings.generation.max_tokens


def stop_sequences(stop: str | Sequence[str] | None) -> tuple[str, ...]:
    """One, several or none."""
    return (stop,) if isinstance(stop, str) else tuple(stop or ())
