"""The functions that a request offers, and which of them the model may or must call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StringConstraints

from endpoints.openai.fields import Part
from functions.failures import Refused
from functions.tool_calls import Calling, Tool

MAX_TOOLS = 128

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{1,64}$")]


class FunctionDescription(Part):
    """A function. Its arguments are kept to the schema whether `strict` is said or not."""

    name: FunctionName
    description: str = ""
    parameters: dict[str, Any] = Field(default_factory=lambda: {"type": "object", "properties": {}})
    strict: StrictBool | None = None


class FunctionTool(Part):
    """A tool; functions are the only kind."""

    type: Literal["function"]
    function: FunctionDescription


class FunctionReference(Part):
    """A function by name."""

    name: FunctionName


class NamedChoice(Part):
    """The one function that has to be called."""

    type: Literal["function"] = "function"
    function: FunctionReference


ToolList = Annotated[list[FunctionTool], Field(max_length=MAX_TOOLS)]
ToolChoice = Literal["none", "auto", "required"] | NamedChoice


@dataclass(frozen=True)
class Offer:
    """What may be called. `numbers` are the tools' places in the request's list."""

    tools: Sequence[Tool]
    numbers: Sequence[int]
    calling: Calling
    named: bool = False

    def place(self, tool: int) -> str:
        """JSON pointer to the parameters of one of `tools`."""
        return f"/tools/{self.numbers[tool]}/function/parameters"


def offer(tools: Sequence[FunctionTool] | None, choice: ToolChoice | None) -> Offer | None:
    """None where nothing may be called. Raises `Refused` for a choice that the tools do not allow."""
    if choice == "none" or (not tools and (choice is None or choice == "auto")):
        return None
    if not tools:
        raise Refused("/tool_choice", "there are no tools to choose from")
    known = [_tool(tool.function, number) for number, tool in enumerate(tools)]
    names = [tool.name for tool in known]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise Refused(f"/tools/{number}/function/name", f"there is another function {name!r}")
    if isinstance(choice, NamedChoice):
        if choice.function.name not in names:
            raise Refused("/tool_choice/function/name", f"there is no such function among tools: {', '.join(names)}")
        number = names.index(choice.function.name)
        return Offer([known[number]], [number], "must", named=True)
    return Offer(known, range(len(known)), "must" if choice == "required" else "may")


def _tool(function: FunctionDescription, number: int) -> Tool:
    schema = function.parameters
    if schema.get("type", "object") != "object":
        raise Refused(f"/tools/{number}/function/parameters/type", "a function's parameters are an object")
    return Tool(function.name, function.description, {"type": "object", **schema})
