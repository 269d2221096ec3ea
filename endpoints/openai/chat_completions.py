"""POST /v1/chat/completions: https://platform.openai.com/docs/api-reference/chat/create."""

import uuid
from typing import Annotated, Any, Self

from fastapi import APIRouter
from pydantic import Field, StrictBool, model_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.engine_events import max_tokens_for
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openai.chat_reply import ChatReply
from endpoints.openai.constraint_sets import asked_set
from endpoints.openai.constraints import AskedConstraint, ResponseFormat, StructuredOutputs, asked_constraint
from endpoints.openai.fields import CompletionBody, ConstraintSetBody
from endpoints.openai.messages import ChatMessage, conversation
from endpoints.openai.serving import serve, served_model
from endpoints.openai.tools import Offer, ToolChoice, ToolList, offer
from endpoints.openapi import problem_responses
from endpoints.services import Services
from functions.generation import GenerationRequest
from functions.tool_calls import STOP, with_tools

router = APIRouter(route_class=CostlyRoute, tags=["openai"])


class ChatBody(CompletionBody, ConstraintSetBody):
    """A conversation, what the answer has to be, and how tokens are chosen."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]
    max_tokens: int | None = Field(default=None, ge=1, description="The older name of `max_completion_tokens`.")
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: StrictBool = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    tools: ToolList | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: StrictBool | None = Field(default=None, description="Ignored: a turn has one call at most.")
    reasoning_effort: Any = Field(default=None, description="Ignored.")
    verbosity: Any = Field(default=None, description="Ignored.")
    modalities: list[str] | None = Field(default=None, description="Only `text`.")
    prediction: Any = Field(default=None, description="Ignored: it changes no answer.")

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs: true")
        if None not in {self.max_tokens, self.max_completion_tokens} and self.max_tokens != self.max_completion_tokens:
            raise ValueError("max_tokens and max_completion_tokens are one thing; give one of them")
        if self.modalities not in (None, ["text"]):
            raise ValueError("the only modality is text")
        return self


@router.post(
    "/v1/chat/completions",
    summary="OpenAI's chat completions",
    responses=problem_responses(404, 409, 413, 415, 429, 504),
)
async def create_chat_completion(request: Request, body: ChatBody, app: App, caller: Generator) -> Response:
    """The next message of a conversation, or a call of a function, whole or as a stream of chunks (`stream`)."""
    model = served_model(app, body.model)
    offered = offer(body.tools, body.tool_choice)
    asked = asked_constraint(body.response_format, body.structured_outputs, offered)
    constraint_set = asked_set(body.constraints, body.digest, asked, body.n)
    generation = _generation(body, app, offered, asked)
    reply = ChatReply(
        generation.id,
        model,
        n=body.n,
        calling=offered.calling if offered else None,
        named=offered is not None and offered.named,
        logprobs=body.logprobs,
        usage=body.wants_usage,
    )
    return await serve(
        app,
        request,
        caller,
        generation,
        asked,
        reply,
        endpoint="chat_completions",
        stream=body.stream,
        asked_set=constraint_set,
    )


def _generation(
    body: ChatBody, app: Services, offered: Offer | None, asked: AskedConstraint | None
) -> GenerationRequest:
    settings = app.settings
    name = "max_tokens" if body.max_completion_tokens is None else "max_completion_tokens"
    most = max_tokens_for(settings, body.max_completion_tokens or body.max_tokens, f"/{name}")
    messages = conversation(body.messages)
    sampling = body.sampling(settings, max_tokens=most, logprobs=(body.top_logprobs or 0) if body.logprobs else None)
    if offered is not None:
        messages = with_tools(messages, offered.tools, offered.calling)
        if offered.calling == "may":
            sampling = sampling.model_copy(update={"stop": (*sampling.stop, STOP)})
    return GenerationRequest(
        id=f"chatcmpl-{uuid.uuid4().hex}",
        messages=messages,
        constraint=asked.constraint if asked else None,
        sampling=sampling,
        timeout_s=settings.generation.timeout_s,
    )
