"""POST /api/generate: raw constrained generation, as one JSON document or as a stream of events."""

import uuid
from contextlib import aclosing
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.admission import Admission, admitted
from endpoints.answering import answer
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.server_sent_events import Event
from endpoints.services import Services
from endpoints.work import Emit
from functions.failures import ConstraintRefused, EngineUnavailable, Refused
from functions.generation import (
    Constraint,
    ConstraintKind,
    Delta,
    Finished,
    FinishReason,
    GenerationRequest,
    Message,
    Sampling,
    Timing,
    Usage,
)

_STREAMED = 'event: delta\ndata: {"text":"red"}\n\nevent: done\ndata: {"id":"gen_..."}\n\n'

router = APIRouter(route_class=CostlyRoute, tags=["generation"])

CONSTRAINTS: tuple[ConstraintKind, ...] = ("json_schema", "grammar", "regex", "choice", "structural_tag")
Text = Annotated[str, StringConstraints(min_length=1)]
Stop = Annotated[list[Text], Field(max_length=16)]


class GenerateBody(BaseModel):
    """A prompt or a conversation, at most one constraint, and how tokens are chosen."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": "Name a colour.", "choice": ["red", "green", "blue"]},
                {
                    "messages": [{"role": "user", "content": "A person, as JSON."}],
                    "json_schema": {
                        "type": "object",
                        "properties": {"name": {"type": "string", "maxLength": 40}, "age": {"type": "integer"}},
                        "required": ["name", "age"],
                    },
                    "max_tokens": 100,
                },
            ]
        },
    )

    prompt: Text | None = Field(default=None, description="One user message. Give this or `messages`.")
    messages: list[Message] | None = Field(
        default=None, min_length=1, description="A conversation, for the chat template."
    )
    json_schema: dict[str, Any] | None = Field(default=None, description="The text is JSON that this schema accepts.")
    grammar: Text | None = Field(
        default=None, description="The text is in the language of this Lark grammar (llguidance's)."
    )
    regex: Text | None = Field(default=None, description="The whole text matches this regular expression.")
    choice: list[str] | None = Field(default=None, min_length=1, description="The text is one of these.")
    structural_tag: dict[str, Any] | None = Field(default=None, description="Free text with constrained parts.")
    max_tokens: int | None = Field(default=None, ge=1, description="At most so many tokens; else the default.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: Text | Stop | None = Field(default=None, description="The text ends before the first of these.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of prompt and messages")
        given = [kind for kind in CONSTRAINTS if getattr(self, kind) is not None]
        if len(given) > 1:
            raise ValueError(f"give at most one constraint; these are {len(given)}: {', '.join(given)}")
        return self

    def constraint(self) -> tuple[ConstraintKind, Constraint] | None:
        """The constraint, with the name of the field that holds it."""
        for kind in CONSTRAINTS:
            if (value := getattr(self, kind)) is not None:
                return kind, Constraint.of(kind, value)
        return None


class Generated(BaseModel):
    """What came of it. With `finish_reason` "length" the text was cut: under a constraint it is a valid prefix only."""

    id: str
    model: str
    text: str
    finish_reason: FinishReason
    usage: Usage
    timing: Timing
    cost_usd: float
    cached: bool = Field(default=False, description="Whether the answer came from a cache instead of an engine.")


@router.post(
    "/api/generate",
    summary="Generate text, constrained token by token",
    response_model=Generated,
    responses={
        200: {"content": event_stream(_STREAMED)},
        **problem_responses(400, 402, 409, 413, 415, 429, 504),
    },
)
async def generate(request: Request, body: GenerateBody, app: App, caller: Generator) -> Response:
    """Text under at most one constraint. With `Accept: text/event-stream`: events `delta`, then `done` or `error`.

    The constraint is tried before an engine sees it: what cannot be enforced, or satisfied, is refused (400) with a
    pointer. A text that was cut by `max_tokens` has `finish_reason` "length". Closing the connection stops the work.
    """
    generation = _generation(body, app)

    async def do(emit: Emit[Event]) -> None:
        most = generation.sampling.max_tokens
        async with admitted(app, request, caller, endpoint="generate", max_tokens=most) as admission:
            await _check(body, app)
            text, finished = await _stream(app, generation, admission, emit)
        generated = Generated(
            id=generation.id,
            model=app.settings.engine.model,
            text=text,
            finish_reason=finished.finish_reason,
            usage=finished.usage,
            timing=finished.timing,
            cost_usd=admission.cost_usd,
        )
        await emit(Event("done", generated.model_dump(mode="json")))

    return await answer(request, do)


async def _stream(
    app: Services, generation: GenerationRequest, admission: Admission, emit: Emit[Event]
) -> tuple[str, Finished]:
    text: list[str] = []
    async with aclosing(app.engine.generate(generation)) as events:
        async for event in events:
            admission.note(event)
            match event:
                case Delta():
                    text.append(event.text)
                    await emit(Event("delta", {"text": event.text}))
                case Finished():
                    return "".join(text), event
    raise EngineUnavailable("the engine", "it ended a generation without saying how")


def _generation(body: GenerateBody, app: Services) -> GenerationRequest:
    defaults = app.settings.generation
    longest = app.settings.engine.max_model_len
    if body.max_tokens is not None and body.max_tokens > longest:
        raise Refused("/max_tokens", f"this model's context holds {longest} tokens, prompt included")
    prompt = [Message(role="user", content=body.prompt)] if body.prompt is not None else body.messages
    constraint = body.constraint()
    return GenerationRequest(
        id=f"gen_{uuid.uuid4().hex}",
        messages=tuple(prompt or ()),
        constraint=constraint[1] if constraint else None,
        sampling=Sampling(
            max_tokens=body.max_tokens or defaults.max_tokens,
            temperature=defaults.temperature if body.temperature is None else body.temperature,
            top_p=body.top_p,
            seed=body.seed,
            stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        ),
        timeout_s=defaults.timeout_s,
    )


async def _check(body: GenerateBody, app: Services) -> None:
    """Raises `ConstraintRefused` with a pointer from the body's root: the validator knows only the value."""
    constraint = body.constraint()
    if constraint is None:
        return
    field, value = constraint
    try:
        await app.validator.check(value)
    except ConstraintRefused as refused:
        raise ConstraintRefused(f"/{field}{refused.pointer}", refused.reason) from None
