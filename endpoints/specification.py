"""The two steps without a session: words to a specification, a specification to code; and its schema."""

import json
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from endpoints.admission import admitted
from endpoints.answering import answer
from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.own_tests import TESTS, Tests
from endpoints.public_documents import public_document
from endpoints.server_sent_events import Event
from endpoints.work import Emit
from functions.candidate_round import Progress
from functions.candidates import Implemented
from functions.generation import Timing, Usage
from functions.ir import IntermediateRepresentation, TargetLanguage, ir_schema
from functions.own_tests import read_own_tests

router = APIRouter(route_class=CostlyRoute, tags=["specification"])


def _not_blank(words: str) -> str:
    if not words.strip():
        raise ValueError("it is empty; say in plain words what the function should do")
    return words


Words = Annotated[str, AfterValidator(_not_blank)]
_STREAMED = "event: delta\ndata: {...}\n\nevent: done\ndata: {...}\n\n"
_PROBLEMS = problem_responses(400, 402, 409, 413, 415, 429, 504)


class SpecifyBody(BaseModel):
    """What the function should do."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"prompt": "add two integers"}]})

    prompt: Words = Field(description="In plain words.")
    language: TargetLanguage = Field(default="python", description="Of the code that it is for.")


class SpecifiedBody(BaseModel):
    """The specification, and what it took. Open questions are in `ir.holes`."""

    ir: IntermediateRepresentation
    model: str
    usage: Usage
    timing: Timing
    cost_usd: float


class ImplementBody(BaseModel):
    """A specification, and how hard to try."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "ir": {
                        "intent": {"summary": "add two integers"},
                        "signature": {
                            "name": "add",
                            "parameters": [{"name": "a", "type": "int"}, {"name": "b", "type": "int"}],
                            "returns": "int",
                        },
                        "examples": [{"arguments": ["1", "2"], "result": "3"}],
                    }
                }
            ]
        },
    )

    ir: IntermediateRepresentation
    constraints: dict[str, Any] | None = Field(default=None, description="A constraint set.")
    tests: Tests | None = Field(default=None, description=TESTS)
    candidates: int = Field(default=1, ge=1, le=8, description="Written in one batch; the best is kept.")
    repairs: int = Field(default=1, ge=0, le=3, description="Rounds that are told what failed, or shown the guesses.")


class ImplementedBody(BaseModel):
    """The best candidate with the evidence for it, and all the others."""

    code: str
    language: str
    passed: bool
    evidence: dict[str, Any]
    candidates: list[dict[str, Any]]
    usage: Usage
    timing: Timing
    cost_usd: float


@router.head("/api/ir/schema", include_in_schema=False)
@router.get("/api/ir/schema", response_model=dict[str, Any], summary="The JSON Schema of specifications")
async def read_schema(request: Request) -> Response:
    """JSON Schema (draft 2020-12). Every specification that is served here validates against it."""
    return public_document(request, json.dumps(ir_schema(), ensure_ascii=False), "application/json")


@router.post(
    "/api/ir",
    response_model=SpecifiedBody,
    summary="Words to a specification",
    responses={
        200: {"content": event_stream(_STREAMED)},
        **_PROBLEMS,
    },
)
async def specify(request: Request, body: SpecifyBody, app: App, caller: Generator) -> Response:
    """A specification that validates against its schema, whatever the words; what they leave open is a hole.

    With `Accept: text/event-stream`: events of progress, then `done` or `error`.
    """

    async def do(emit: Emit[Event]) -> None:
        async with admitted(app, request, caller, endpoint="ir") as admission:
            specified = await app.forward.specify(body.prompt, language=body.language, progress=telling(emit))
            admission.used(specified.usage, specified.timing, "stop")
        answered = SpecifiedBody(
            ir=specified.ir,
            model=app.settings.engine.model,
            usage=specified.usage,
            timing=specified.timing,
            cost_usd=admission.cost_usd,
        )
        await emit(Event("done", answered.model_dump(mode="json")))

    return await answer(request, do)


@router.post(
    "/api/code",
    response_model=ImplementedBody,
    summary="A specification to code",
    responses={
        200: {"content": event_stream(_STREAMED)},
        **_PROBLEMS,
    },
)
async def implement(request: Request, body: ImplementBody, app: App, caller: Generator) -> Response:
    """Code whose head is the specification's, by grammar; Python's examples, assertions and tests are run in a sandbox.

    `passed` says whether the best candidate passed all that can be checked, `evidence` what was: TypeScript is not run,
    and what would have to be is "skipped" there with the reason. With
    `Accept: text/event-stream`: events of progress, then `done` or `error`.
    """
    generations = body.candidates * (1 + body.repairs)

    async def do(emit: Emit[Event]) -> None:
        async with admitted(app, request, caller, endpoint="code", generations=generations) as admission:
            implemented = await app.forward.implement(
                body.ir,
                constraints=body.constraints,
                tests=read_own_tests(body.tests) if body.tests is not None else None,
                candidates=body.candidates,
                repairs=body.repairs,
                progress=telling(emit),
            )
            admission.used(implemented.usage, implemented.timing, "stop")
        answered = _implemented(implemented, body.ir.metadata.language, admission.cost_usd)
        await emit(Event("done", answered.model_dump(mode="json")))

    return await answer(request, do)


def telling(emit: Emit[Event]) -> Progress:
    """The work's progress as events."""

    async def tell(stage: str, data: dict[str, Any]) -> None:
        await emit(Event(stage, data))

    return tell


def _implemented(implemented: Implemented, language: str, cost_usd: float) -> ImplementedBody:
    return ImplementedBody(
        code=implemented.code,
        language=language,
        passed=implemented.passed,
        evidence=implemented.evidence,
        candidates=[candidate.as_json() for candidate in implemented.candidates],
        usage=implemented.usage,
        timing=implemented.timing,
        cost_usd=cost_usd,
    )
