"""The answer of a chat completion: as chunks while it comes, and whole."""

import time
import uuid
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from endpoints.openai.serving import DoneEvent, chunk
from endpoints.openai.usage import logprob_documents, usage_document
from endpoints.server_sent_events import Event
from functions.generation import CandidateFinished, Delta, Finished, FinishReason, GenerationEvent, Usage
from functions.tool_call_reader import Argument, Called, CallReader, Piece, Said
from functions.tool_calls import Calling


class _Choice:
    """One candidate, as far as it has come."""

    def __init__(self, calling: Calling | None) -> None:
        self.reader = CallReader(calling)
        self.text: list[str] = []
        self.name = ""
        self.arguments: list[str] = []
        self.logprobs: list[dict[str, Any]] = []
        self.finish_reason: str | None = None
        self.begun = False

    @cached_property
    def call_id(self) -> str:
        """What a call is referred to by."""
        return f"call_{uuid.uuid4().hex[:24]}"

    def message(self) -> dict[str, Any]:
        """The whole message."""
        text = "".join(self.text)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if self.reader.called:
            call = {"name": self.name, "arguments": "".join(self.arguments)}
            message["content"] = text or None
            message["tool_calls"] = [{"id": self.call_id, "type": "function", "function": call}]
        return message

    def piece(self, piece: Piece) -> dict[str, Any]:
        """Keep it, and answer with what a chunk says of it."""
        match piece:
            case Said(text=text):
                self.text.append(text)
                return {"content": text}
            case Called(name=name):
                self.name = name
                function = {"name": name, "arguments": ""}
                return {"tool_calls": [{"index": 0, "id": self.call_id, "type": "function", "function": function}]}
            case Argument(text=text):
                self.arguments.append(text)
                return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]}


class ChatReply:
    """A `Reply` in chunks of `chat.completion.chunk`. A `named` call ends with "stop", as at OpenAI's."""

    def __init__(
        self, id_: str, model: str, *, n: int, calling: Calling | None, named: bool, logprobs: bool, usage: bool
    ) -> None:
        self._head = {"id": id_, "created": int(time.time()), "model": model}
        self._choices = [_Choice(calling) for _ in range(n)]
        self._named = named
        self._wants_logprobs = logprobs
        self._wants_usage = usage
        self.extra: dict[str, Any] = {}
        self._usage = Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0)

    def events(self, event: GenerationEvent) -> Iterator[Event]:
        """See `Reply`."""
        match event:
            case Delta(index=index):
                choice = self._choices[index]
                logprobs = logprob_documents(event.logprobs) if self._wants_logprobs else []
                choice.logprobs += logprobs
                yield from self._pieces(index, choice.reader.read(event.text), logprobs)
            case CandidateFinished(index=index, finish_reason=reason):
                choice = self._choices[index]
                yield from self._pieces(index, choice.reader.end(), [])
                choice.finish_reason = self._finish_reason(choice, reason)
                yield self._chunk(index, {}, [], choice.finish_reason)
            case Finished(usage=usage):
                self._usage = usage

    def last(self) -> Iterator[Event]:
        """See `Reply`."""
        if self._wants_usage:
            document = {**self._head, "object": "chat.completion.chunk", "choices": []}
            yield chunk({**document, "usage": usage_document(self._usage)})
        yield DoneEvent(None, None)

    def document(self) -> dict[str, Any]:
        """See `Reply`."""
        choices = [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": {"content": choice.logprobs, "refusal": None} if self._wants_logprobs else None,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(self._choices)
        ]
        return {
            **self._head,
            "object": "chat.completion",
            "choices": choices,
            "usage": usage_document(self._usage),
            **self.extra,
        }

    def failed(self, error: dict[str, Any]) -> Event:
        """See `Reply`."""
        return chunk({"error": error})

    def _pieces(self, index: int, pieces: Iterable[Piece], logprobs: list[dict[str, Any]]) -> Iterator[Event]:
        choice = self._choices[index]
        if not choice.begun:
            choice.begun = True
            yield self._chunk(index, {"role": "assistant", "content": ""}, [], None)
        for piece in pieces:
            if delta := choice.piece(piece):
                yield self._chunk(index, delta, logprobs, None)
                logprobs = []
        if logprobs:
            yield self._chunk(index, {}, logprobs, None)

    def _chunk(
        self, index: int, delta: dict[str, Any], logprobs: list[dict[str, Any]], finish_reason: str | None
    ) -> Event:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": {"content": logprobs, "refusal": None} if logprobs else None,
            "finish_reason": finish_reason,
        }
        document = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        if finish_reason is not None:
            document |= self.extra
        return chunk({**document, "usage": None} if self._wants_usage else document)

    def _finish_reason(self, choice: _Choice, reason: FinishReason) -> str:
        if choice.reader.complete and not self._named:
            return "tool_calls"
        return reason
