"""The answer of /v1/responses: as events while it comes, and whole.

https://platform.openai.com/docs/api-reference/responses-streaming: one output item, a message with one part of text.
"""

import time
import uuid
from collections.abc import Iterator
from typing import Any

from endpoints.server_sent_events import Event
from functions.generation import CandidateFinished, Delta, Finished, FinishReason, GenerationEvent, Usage

_SAME_FOR_ALL: dict[str, Any] = {
    "background": False,
    "error": None,
    "parallel_tool_calls": False,
    "previous_response_id": None,
    "reasoning": None,
    "store": False,
    "tool_choice": "none",
    "tools": [],
    "truncation": "disabled",
}


class ResponseReply:
    """A `Reply` in the events of a response. `echoed` are the request's own fields, given back."""

    def __init__(self, id_: str, echoed: dict[str, Any]) -> None:
        self._head = {"id": id_, "object": "response", "created_at": int(time.time()), **_SAME_FOR_ALL, **echoed}
        self.extra: dict[str, Any] = {}
        self._item_id = f"msg_{uuid.uuid4().hex}"
        self._text: list[str] = []
        self._finish_reason: FinishReason | None = None
        self._usage: Usage | None = None
        self._number = 0

    def events(self, event: GenerationEvent) -> Iterator[Event]:
        """See `Reply`."""
        if self._number == 0:
            yield from self._begin()
        match event:
            case Delta(text=text):
                self._text.append(text)
                if text:
                    yield self._of_part("response.output_text.delta", delta=text, logprobs=[])
            case CandidateFinished(finish_reason=reason):
                self._finish_reason = reason
                yield self._of_part("response.output_text.done", text="".join(self._text), logprobs=[])
                yield self._of_part("response.content_part.done", part=self._part())
                yield self._event("response.output_item.done", output_index=0, item=self._item())
            case Finished(usage=usage):
                self._usage = usage

    def last(self) -> Iterator[Event]:
        """See `Reply`."""
        document = self.document()
        yield self._event(f"response.{document['status']}", response=document)

    def document(self) -> dict[str, Any]:
        """See `Reply`. A response that was cut is `incomplete`."""
        document = self._response(self._status())
        document["output"] = [self._item()]
        if self._usage is not None:
            document["usage"] = _usage_document(self._usage)
        return document | self.extra

    def failed(self, error: dict[str, Any]) -> Event:
        """See `Reply`."""
        return self._event("error", code=error["code"], message=error["message"], param=error["param"])

    def _begin(self) -> Iterator[Event]:
        response = self._response("in_progress")
        item = {"id": self._item_id, "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        yield self._event("response.created", response=response)
        yield self._event("response.in_progress", response=response)
        yield self._event("response.output_item.added", output_index=0, item=item)
        yield self._of_part("response.content_part.added", part=self._part())

    def _response(self, status: str) -> dict[str, Any]:
        reason = {"reason": "max_output_tokens"} if status == "incomplete" else None
        return {**self._head, "status": status, "incomplete_details": reason, "output": [], "usage": None}

    def _item(self) -> dict[str, Any]:
        content = [self._part()]
        return {
            "id": self._item_id,
            "type": "message",
            "status": self._status(),
            "role": "assistant",
            "content": content,
        }

    def _part(self) -> dict[str, Any]:
        return {"type": "output_text", "text": "".join(self._text), "annotations": [], "logprobs": []}

    def _status(self) -> str:
        return "incomplete" if self._finish_reason == "length" else "completed"

    def _of_part(self, type_: str, **data: Any) -> Event:
        return self._event(type_, item_id=self._item_id, output_index=0, content_index=0, **data)

    def _event(self, type_: str, **data: Any) -> Event:
        number, self._number = self._number, self._number + 1
        return Event(type_, {"type": type_, "sequence_number": number, **data})


def _usage_document(usage: Usage) -> dict[str, Any]:
    return {
        "input_tokens": usage.prompt_tokens,
        "input_tokens_details": {"cached_tokens": usage.cached_tokens},
        "output_tokens": usage.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
    }
