"""The messages of a chat, as clients send them, and as the chat template takes them."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from endpoints.openai.fields import Part
from functions.generation import Message
from functions.tool_calls import call_text, result_text

_TEXT_PARTS = frozenset({"text", "input_text", "output_text"})


class TextPart(Part):
    """A piece of text. Pictures, sound and files are refused: the served models read text."""

    type: Literal["text", "input_text", "output_text"]
    text: str
    annotations: Any = Field(default=None, description="Ignored, so that an answer can be sent back as it came.")
    logprobs: Any = Field(default=None, description="Ignored, as above.")

    @model_validator(mode="before")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        if isinstance(value, dict) and (kind := value.get("type")) not in _TEXT_PARTS:
            raise ValueError(f"parts of type {str(kind)[:40]!r} are not taken: this model reads text alone")
        return value


Content = str | Annotated[list[TextPart], Field(min_length=1)]


class FunctionCall(Part):
    """A call that the assistant made. `arguments` is the JSON as it was written."""

    name: str
    arguments: str


class ToolCall(Part):
    """A call with its id."""

    id: str
    type: Literal["function"] = "function"
    function: FunctionCall
    index: Any = Field(default=None, description="Ignored: what a stream's chunks have.")


class InstructionMessage(Part):
    """What the application says: `developer` is the newer name of `system`."""

    role: Literal["system", "developer"]
    content: Content
    name: Any = Field(default=None, description="Ignored.")


class UserMessage(Part):
    """What the user says."""

    role: Literal["user"]
    content: Content
    name: Any = Field(default=None, description="Ignored.")


class AssistantMessage(Part):
    """What the model said before, with the calls that it made; as it came from here, or without the rest."""

    role: Literal["assistant"]
    content: Content | None = None
    tool_calls: list[ToolCall] | None = None
    name: Any = Field(default=None, description="Ignored.")
    refusal: Any = Field(default=None, description="Ignored.")
    annotations: Any = Field(default=None, description="Ignored.")

    @model_validator(mode="after")
    def _says_something(self) -> "AssistantMessage":
        if self.content is None and not self.tool_calls:
            raise ValueError("an assistant's message has content or tool_calls")
        return self


class ToolMessage(Part):
    """What a called function answered."""

    role: Literal["tool"]
    tool_call_id: str
    content: Content
    name: Any = Field(default=None, description="Ignored.")


ChatMessage = Annotated[InstructionMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


def conversation(messages: Sequence[ChatMessage]) -> tuple[Message, ...]:
    """For the chat template. Calls and their results become text: few templates know them.

    Results that follow one another are one turn, as the form of the calls has it.
    """
    turns: list[Message] = []
    previous: ChatMessage | None = None
    for message in messages:
        turn = _turn(message)
        if isinstance(message, ToolMessage) and isinstance(previous, ToolMessage):
            turn = Message(role="user", content=f"{turns.pop().content}\n{turn.content}")
        turns.append(turn)
        previous = message
    return tuple(turns)


def text_of(content: Content | None) -> str:
    """The text, whether it came in parts or not."""
    if isinstance(content, list):
        return "".join(part.text for part in content)
    return content or ""


def _turn(message: ChatMessage) -> Message:
    text = text_of(message.content)
    match message:
        case InstructionMessage():
            return Message(role="system", content=text)
        case UserMessage():
            return Message(role="user", content=text)
        case ToolMessage():
            return Message(role="user", content=result_text(text))
        case AssistantMessage(tool_calls=calls):
            said = [text] if text else []
            said += [call_text(call.function.name, _arguments(call.function.arguments)) for call in calls or ()]
            return Message(role="assistant", content="\n".join(said))


def _arguments(written: str) -> str:
    """As JSON, whatever a client sends back."""
    try:
        json.loads(written)
    except ValueError:
        return json.dumps(written)
    return written
