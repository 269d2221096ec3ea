"""POST /api/reverse: source code in, the specification of one of its functions out."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request

from endpoints.admission import admitted
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import problem_responses
from functions.asking import MAX_TOKENS
from functions.generation import Timing, Usage
from functions.ir import IntermediateRepresentation

router = APIRouter(route_class=CostlyRoute, tags=["specification"])

Source = Annotated[str, StringConstraints(min_length=1, max_length=200_000)]
FunctionName = Annotated[str, StringConstraints(min_length=1, max_length=100)]
_EXAMPLE = 'def double(n: int) -> int:\n    """Double it.\n\n    >>> double(2)\n    4\n    """\n    return 2 * n\n'


class ReverseBody(BaseModel):
    """A source file, and which of its functions is meant."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"source": _EXAMPLE}]})

    source: Source
    language: Literal["python", "typescript"] = "python"
    name: FunctionName | None = Field(
        default=None, description="The function. Needed where several are called by no other."
    )


class ReversedBody(BaseModel):
    """The specification, and what it took. What the source leaves open, or says wrongly, is in `ir.holes`."""

    ir: IntermediateRepresentation
    model: str | None = Field(description="Who said what the function is for; null where the source says it.")
    usage: Usage
    timing: Timing
    cost_usd: float


@router.post(
    "/api/reverse",
    summary="Source code to a specification",
    responses=problem_responses(400, 402, 409, 413, 415, 429),
)
async def reverse(request: Request, body: ReverseBody, app: App, caller: Generator) -> ReversedBody:
    """What can be read off: head, docstring, effects, raises; examples and assertions that held when they were run.

    Python is run in a sandbox, TypeScript never. A model says what the function is for, where the source does not.
    """
    async with admitted(app, request, caller, endpoint="reverse", max_tokens=MAX_TOKENS) as admission:
        read = await app.reverse.read(body.source, language=body.language, name=body.name)
        admission.used(read.usage, read.timing, "stop")
    return ReversedBody(
        ir=read.ir,
        model=read.ir.metadata.model,
        usage=read.usage,
        timing=read.timing,
        cost_usd=admission.cost_usd,
    )
