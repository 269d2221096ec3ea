"""POST /v1/completions: https://platform.openai.com/docs/api-reference/completions/create."""

import time
import uuid
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from endpoints.engine_events import max_tokens_for
from endpoints.generation import Text
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openai.constraints import ResponseFormat, StructuredOutputs, asked_constraint
from endpoints.openai.fields import CompletionBody
from endpoints.openai.serving import DoneEvent, chunk, serve, served_model
from endpoints.openai.usage import finite, usage_document
from endpoints.openapi import problem_responses
from endpoints.server_sent_events import Event
from functions.generation import (
    CandidateFinished,
    Delta,
    Finished,
    GenerationEvent,
    GenerationRequest,
    Message,
    TokenLogprob,
    Usage,
)

router = APIRouter(route_class=CostlyRoute, tags=["openai"])


class TextCompletionBody(CompletionBody):
    """A text to go on with, as it is: no chat template is applied."""

    prompt: Text | Annotated[list[Text], Field(min_length=1, max_length=1)] = Field(
        description="One text. Lists of texts or of tokens are not taken."
    )
    max_tokens: int | None = Field(default=None, ge=1)
    logprobs: int | None = Field(default=None, ge=0, le=20)
    response_format: ResponseFormat | None = None
    structured_outputs: StructuredOutputs | None = None
    echo: Literal[False] = False
    best_of: int = Field(default=1, ge=1, le=1)


class CompletionReply:
    """A `Reply` in chunks of `text_completion`."""

    def __init__(self, id_: str, model: str, *, n: int, logprobs: bool, usage: bool) -> None:
        self._head = {"id": id_, "object": "text_completion", "created": int(time.time()), "model": model}
        self._texts: list[list[str]] = [[] for _ in range(n)]
        self._logprobs = [_Logprobs() for _ in range(n)]
        self._reasons: list[str | None] = [None] * n
        self._wants_logprobs = logprobs
        self._wants_usage = usage
        self.extra: dict[str, Any] = {}
        self._usage = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)

    def events(self, event: GenerationEvent) -> Iterator[Event]:
        """See `Reply`."""
        match event:
            case Delta(index=index, text=text):
                self._texts[index].append(text)
                logprobs = self._logprobs[index].add(event.logprobs) if self._wants_logprobs else None
                yield self._chunk(index, text, logprobs, None)
            case CandidateFinished(index=index, finish_reason=reason):
                self._reasons[index] = reason
                yield self._chunk(index, "", None, reason)
            case Finished(usage=usage):
                self._usage = usage

    def last(self) -> Iterator[Event]:
        """See `Reply`."""
        if self._wants_usage:
            yield chunk({**self._head, "choices": [], "usage": usage_document(self._usage)})
        yield DoneEvent(None, None)

    def document(self) -> dict[str, Any]:
        """See `Reply`."""
        choices = [
            {
                "index": index,
                "text": "".join(text),
                "logprobs": self._logprobs[index].document if self._wants_logprobs else None,
                "finish_reason": self._reasons[index],
            }
            for index, text in enumerate(self._texts)
        ]
        return {**self._head, "choices": choices, "usage": usage_document(self._usage), **self.extra}

    def failed(self, error: dict[str, Any]) -> Event:
        """See `Reply`."""
        return chunk({"error": error})

    def _chunk(self, index: int, text: str, logprobs: dict[str, Any] | None, finish_reason: str | None) -> Event:
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}
        document = {**self._head, "choices": [choice]} | (self.extra if finish_reason else {})
        return chunk({**document, "usage": None} if self._wants_usage else document)


class _Logprobs:
    """A candidate's, in columns: the older form that completions have kept."""

    def __init__(self) -> None:
        self.document: dict[str, list[Any]] = {
            "tokens": [],
            "token_logprobs": [],
            "top_logprobs": [],
            "text_offset": [],
        }
        self._offset = 0

    def add(self, tokens: tuple[TokenLogprob, ...]) -> dict[str, Any]:
        """Keep these, and answer with their columns alone. Offsets are in characters of the answer."""
        added: dict[str, list[Any]] = {name: [] for name in self.document}
        for entry in tokens:
            added["tokens"].append(entry.token)
            added["token_logprobs"].append(finite(entry.logprob))
            added["top_logprobs"].append({token: finite(logprob) for token, logprob in entry.top})
            added["text_offset"].append(self._offset)
            self._offset += len(entry.token)
        for name, column in added.items():
            self.document[name] += column
        return added


@router.post(
    "/v1/completions",
    summary="OpenAI's completions",
    responses=problem_responses(404, 409, 413, 415, 429, 504),
)
async def create_completion(request: Request, body: TextCompletionBody, app: App, caller: Generator) -> Response:
    """How a text goes on, whole or as a stream of chunks (`stream`)."""
    model = served_model(app, body.model)
    settings = app.settings
    asked = asked_constraint(body.response_format, body.structured_outputs, None)
    most = max_tokens_for(settings, body.max_tokens, "/max_tokens")
    prompt = body.prompt if isinstance(body.prompt, str) else body.prompt[0]
    generation = GenerationRequest(
        id=f"cmpl-{uuid.uuid4().hex}",
        messages=(Message(role="user", content=prompt),),
        raw=True,
        constraint=asked.constraint if asked else None,
        sampling=body.sampling(settings, max_tokens=most, logprobs=body.logprobs),
        timeout_s=settings.generation.timeout_s,
    )
    reply = CompletionReply(generation.id, model, n=body.n, logprobs=body.logprobs is not None, usage=body.wants_usage)
    return await serve(app, request, caller, generation, asked, reply, endpoint="completions", stream=body.stream)
