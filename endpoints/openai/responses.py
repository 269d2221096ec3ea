"""POST /v1/responses: https://platform.openai.com/docs/api-reference/responses/create. Text and JSON; no tools."""

import uuid
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field, StrictBool, field_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.engine_events import max_tokens_for
from endpoints.generation import Text
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openai.constraint_sets import asked_set
from endpoints.openai.constraints import (
    AskedConstraint,
    JsonObjectFormat,
    JsonSchemaFormat,
    NamedSchema,
    StructuredOutputs,
    TextFormat,
    asked_constraint,
)
from endpoints.openai.fields import ConstraintSetBody, Part, SampledBody
from endpoints.openai.messages import Content, text_of
from endpoints.openai.response_reply import ResponseReply
from endpoints.openai.serving import serve, served_model
from endpoints.openapi import problem_responses
from functions.generation import GenerationRequest, Message, Sampling

router = APIRouter(route_class=CostlyRoute, tags=["openai"])


class InputMessage(Part):
    """One turn, or an answer that came from here. Other items (calls, references) are refused."""

    type: Literal["message"] = "message"
    role: Literal["system", "developer", "user", "assistant"]
    content: Content
    id: Any = Field(default=None, description="Ignored.")
    status: Any = Field(default=None, description="Ignored.")
    phase: Any = Field(default=None, description="Ignored.")


class SchemaFormat(NamedSchema):
    """JSON that a schema accepts; the same as in chat completions, one level higher."""

    type: Literal["json_schema"]


class TextOptions(Part):
    """What the text is."""

    format: Annotated[TextFormat | JsonObjectFormat | SchemaFormat, Field(discriminator="type")] | None = None
    verbosity: Any = Field(default=None, description="Ignored.")


class ResponseBody(SampledBody, ConstraintSetBody):
    """What to answer, what the answer has to be, and how tokens are chosen."""

    input: Text | Annotated[list[InputMessage], Field(min_length=1)]
    instructions: str | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    text: TextOptions | None = None
    structured_outputs: StructuredOutputs | None = None
    background: Literal[False] = False
    tools: Annotated[list[Any], Field(max_length=0)] | None = Field(
        default=None, description="Only empty: functions are called through /v1/chat/completions."
    )
    tool_choice: Any = Field(default=None, description="Ignored: there are no tools.")
    parallel_tool_calls: StrictBool | None = Field(default=None, description="Ignored, as above.")
    max_tool_calls: Any = Field(default=None, description="Ignored, as above.")
    include: list[str] | None = Field(default=None, description="Ignored: there is nothing to include.")
    reasoning: Any = Field(default=None, description="Ignored.")
    truncation: Literal["disabled"] | None = Field(default=None, description="What is too long is refused.")
    stream_options: Any = Field(default=None, description="Ignored.")

    @field_validator("tools", mode="before")
    @classmethod
    def _no_tools(cls, value: Any) -> Any:
        if value:
            raise ValueError("functions are called through /v1/chat/completions; here there are no tools")
        return value


@router.post(
    "/v1/responses",
    summary="OpenAI's responses",
    responses=problem_responses(404, 409, 413, 415, 429, 504),
)
async def create_response(request: Request, body: ResponseBody, app: App, caller: Generator) -> Response:
    """An answer, whole or as a stream of events (`stream`). Nothing is stored: send the whole conversation."""
    model = served_model(app, body.model)
    settings = app.settings
    asked = _asked(body)
    constraint_set = asked_set(body.constraints, body.digest, asked)
    generation = GenerationRequest(
        id=f"resp_{uuid.uuid4().hex}",
        messages=_messages(body),
        constraint=asked.constraint if asked else None,
        sampling=Sampling(
            max_tokens=max_tokens_for(settings, body.max_output_tokens, "/max_output_tokens"),
            temperature=body.temperature_or(settings),
            top_p=body.top_p,
        ),
        timeout_s=settings.generation.timeout_s,
    )
    written_format = body.text.format if body.text else None
    reply = ResponseReply(
        generation.id,
        {
            "model": model,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "temperature": generation.sampling.temperature,
            "top_p": body.top_p,
            "metadata": body.metadata or {},
            "text": {"format": written_format.model_dump(by_alias=True) if written_format else {"type": "text"}},
        },
    )
    return await serve(
        app,
        request,
        caller,
        generation,
        asked,
        reply,
        endpoint="responses",
        stream=body.stream,
        asked_set=constraint_set,
    )


def _messages(body: ResponseBody) -> tuple[Message, ...]:
    """The instructions come first, and join what the input begins with: templates know one system message."""
    turns = (
        [("user", body.input)] if isinstance(body.input, str) else [(m.role, text_of(m.content)) for m in body.input]
    )
    messages = [
        Message(role="assistant" if role == "assistant" else "user" if role == "user" else "system", content=text)
        for role, text in turns
    ]
    if body.instructions is None:
        return tuple(messages)
    if messages[0].role != "system":
        return (Message(role="system", content=body.instructions), *messages)
    return (Message(role="system", content=f"{body.instructions}\n\n{messages[0].content}"), *messages[1:])


def _asked(body: ResponseBody) -> AskedConstraint | None:
    written_format = body.text.format if body.text else None
    if isinstance(written_format, SchemaFormat):
        schema = JsonSchemaFormat.model_construct(type="json_schema", json_schema=written_format)
        asked = asked_constraint(schema, body.structured_outputs, None)
        return asked and AskedConstraint(asked.constraint, {"": "/text/format/schema"})
    return asked_constraint(written_format, body.structured_outputs, None)
