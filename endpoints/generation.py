"""POST /api/generate: raw constrained generation, as one JSON document or as a stream of events."""

import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.admission import admitted
from endpoints.answer_caching import AnswerCaching
from endpoints.answering import answer
from endpoints.checking import ViolationBody
from endpoints.engine_events import check_constraint, engine_events, max_tokens_for, stop_sequences
from endpoints.guard import App, DegradableGenerator
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.server_sent_events import Event
from endpoints.services import Services
from endpoints.work import Emit
from functions.checked_generation import MOST_ATTEMPTS, Checked, Rewrite, checked_generation
from functions.generation import (
    Constraint,
    ConstraintKind,
    Delta,
    FinishReason,
    GenerationEvent,
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
    constraints: dict[str, Any] | list[Any] | None = Field(default=None, description="A constraint set.")
    digest: Text | None = Field(default=None, description="Of a constraint set that /api/compile has compiled.")
    max_tokens: int | None = Field(default=None, ge=1, description="At most so many tokens; else the default.")
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: Text | Stop | None = Field(default=None, description="The text ends before the first of these.")

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give exactly one of prompt and messages")
        given = [kind for kind in (*CONSTRAINTS, "constraints", "digest") if getattr(self, kind) is not None]
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
    digest: str | None = Field(default=None, description="Of the constraint set that the text was held to.")
    attempts: int = Field(default=1, description="Times that it was written: again where a check found a fault.")
    violations: list[ViolationBody] = Field(default=[], description="What the last attempt still breaks.")
    cached: bool = Field(default=False, description="Whether the answer came from a cache instead of an engine.")


@router.post(
    "/api/generate",
    summary="Generate text, constrained token by token",
    response_model=Generated,
    responses={
        200: {"content": event_stream(_STREAMED)},
        **problem_responses(400, 402, 404, 409, 413, 415, 429, 504),
    },
)
async def generate(request: Request, body: GenerateBody, app: App, caller: DegradableGenerator) -> Response:
    """Text under at most one constraint. With `Accept: text/event-stream`: events `delta`, then `done` or `error`.

    Under a constraint set, what no grammar can hold is checked on the finished text, which is written again if it
    breaks something: a stream says `rewrite`, and what came before does not count. What is broken even then is in
    `violations`.

    The constraint is tried before an engine sees it: what cannot be enforced, or satisfied, is refused (400) with a
    pointer. A text that was cut by `max_tokens` has `finish_reason` "length". Closing the connection stops the work.

    At temperature 0, or with a seed, the same request again is answered from a cache (`cached`, `Cache-Status`), which
    costs no tokens; `Cache-Control: no-cache` has it made anew, `no-store` not even kept.
    """
    constraint = body.constraint()
    generation = _generation(body, app, constraint[1] if constraint else None)
    writings = MOST_ATTEMPTS if body.constraints is not None or body.digest is not None else 1

    caching: list[AnswerCaching] = []

    async def do(emit: Emit[Event]) -> None:
        most = generation.sampling.max_tokens
        admitting = admitted(app, request, caller, endpoint="generate", max_tokens=most, generations=writings)
        async with admitting as admission:
            caching.append(admission.answers)
            compiled = await app.compiler.given(body.constraints, body.digest)
            if constraint is not None:
                await check_constraint(app, constraint[1], {"": f"/{constraint[0]}"})
            events = checked_generation(
                lambda asked: engine_events(app, asked, admission), app.compiler, generation, compiled
            )
            checked = await _stream(events, emit)
        generated = Generated(
            id=generation.id,
            model=app.settings.engine.model,
            text=checked.text,
            finish_reason=checked.finish_reason,
            usage=checked.usage,
            timing=checked.timing,
            cost_usd=admission.cost_usd,
            digest=compiled.digest if compiled else None,
            attempts=checked.attempts,
            violations=[ViolationBody(**violation._asdict()) for violation in checked.violations],
            cached=admission.answers.is_hit,
        )
        await emit(Event("done", generated.model_dump(mode="json")))

    return await answer(request, do, headers_of=lambda _data: caching[0].headers)


async def _stream(events: AsyncGenerator[GenerationEvent | Rewrite | Checked, None], emit: Emit[Event]) -> Checked:
    async with aclosing(events):
        async for event in events:
            match event:
                case Delta():
                    await emit(Event("delta", {"text": event.text}))
                case Rewrite(violations=violations):
                    await emit(Event("rewrite", {"violations": [violation._asdict() for violation in violations]}))
                case Checked() as checked:
                    pass
    return checked


def _generation(body: GenerateBody, app: Services, constraint: Constraint | None) -> GenerationRequest:
    defaults = app.settings.generation
    prompt = [Message(role="user", content=body.prompt)] if body.prompt is not None else body.messages
    return GenerationRequest(
        id=f"gen_{uuid.uuid4().hex}",
        messages=tuple(prompt or ()),
        constraint=constraint,
        sampling=Sampling(
            max_tokens=max_tokens_for(app.settings, body.max_tokens, "/max_tokens"),
            temperature=defaults.temperature if body.temperature is None else body.temperature,
            top_p=body.top_p,
            seed=body.seed,
            stop=stop_sequences(body.stop),
        ),
        timeout_s=defaults.timeout_s,
    )
