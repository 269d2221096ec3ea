"""/api/compile: a constraint set to what the decoder enforces, with a report; one, many, or with progress."""

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictBool
from pydantic.config import JsonDict
from starlette.requests import Request
from starlette.responses import Response

from endpoints.answering import answer
from endpoints.guard import App, DegradableReader, GuardedRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.problems import problem_for
from endpoints.server_sent_events import Event
from endpoints.services import Services
from endpoints.work import Emit
from functions.constraints.compilation import Compiled, Progress
from functions.constraints.model import Language
from functions.constraints.report import Row
from functions.failures import Failure, Refused

router = APIRouter(route_class=GuardedRoute, tags=["constraints"])

Format = Literal["grammar", "json-schema", "regex"]
MOST_SETS = 100
_STREAMED = 'event: progress\ndata: {"stage":"reading","percent":10}\n\nevent: done\ndata: {"digest":"..."}\n\n'
EXAMPLE: JsonDict = {
    "name": "house rules",
    "constraints": [
        {"name": "no eval", "severity": "error", "rule": {"type": "forbid_calls", "calls": ["eval", "os.system"]}},
        {
            "name": "head",
            "severity": "error",
            "rule": {"type": "signature", "signature": "def add(a: int, b: int) -> int"},
        },
        {"name": "style", "severity": "hint", "description": "keep it simple"},
    ],
}


class CompileBody(BaseModel):
    """A constraint set. What is not understood beside its rules is answered with a warning, not an error."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"examples": [EXAMPLE]})

    name: str = ""
    constraints: list[Any] = Field(description="Each with a name and, if a machine is to act on it, a typed rule.")
    language: Language | None = Field(default=None, description="Of the text. Named, it makes any text code in it.")
    formats: list[Format] | None = Field(default=None, description="The forms to answer with; else all there are.")
    optimize: StrictBool = Field(default=True, description="Write lists of words by their common beginnings.")

    def given(self) -> dict[str, Any]:
        """The constraint set alone."""
        return self.model_dump(exclude={"formats", "optimize", "language"})


class CompiledBody(BaseModel):
    """What the set became. `digest` stands for it in `/api/generate` and `/api/check`, for a week at least."""

    digest: str
    language: Language
    artifacts: dict[str, Any] = Field(description="By format: grammar (Lark), json-schema, regex.")
    report: list[Row]
    warnings: list[str]
    sizes: dict[str, int] = Field(description="Bytes of the artifact, and the alternatives (states) of its grammar.")
    timing: dict[str, float] = Field(description="Seconds: in all, for building, for the first mask.")
    cached: bool


class BatchBody(BaseModel):
    """Many sets."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"sets": [EXAMPLE]}]})

    sets: list[CompileBody] = Field(min_length=1, max_length=MOST_SETS)


class BatchResult(BaseModel):
    """One set's fate: `status` as `/api/compile` would have answered, with what it was compiled to or the problem."""

    status: int
    compiled: CompiledBody | None = None
    problem: dict[str, Any] | None = None


class BatchAnswer(BaseModel):
    """In the order of the sets."""

    results: list[BatchResult]


@router.post(
    "/api/compile",
    summary="Compile a constraint set",
    responses=problem_responses(400, 409, 413, 415, 429),
)
async def compile_set(body: CompileBody, app: App, _caller: DegradableReader) -> CompiledBody:
    """One artifact that the decoder enforces, tried before it is answered, and where each constraint is enforced.

    Constraints that cannot hold together: 409 with `conflict`, names from which none can be left out. Among those whose
    violation is no error, the weaker gives way, and the report says so.
    """
    return await compiled(app, body, "")


@router.post(
    "/api/compile/batch",
    summary="Compile many constraint sets",
    responses=problem_responses(400, 413, 415, 429),
)
async def compile_batch(request: Request, body: BatchBody, app: App, _caller: DegradableReader) -> BatchAnswer:
    """Each on its own: one that cannot be compiled does not spoil the others."""
    results = []
    for number, one in enumerate(body.sets):
        try:
            results.append(BatchResult(status=200, compiled=await compiled(app, one, f"/sets/{number}")))
        except Failure as failure:
            problem = problem_for(failure)
            results.append(BatchResult(status=problem.status, problem=problem.document(request.scope)))
    return BatchAnswer(results=results)


@router.post(
    "/api/compile/stream",
    response_model=CompiledBody,
    summary="Compile a constraint set, with progress",
    responses={200: {"content": event_stream(_STREAMED)}, **problem_responses(400, 409, 413, 415, 429)},
)
async def compile_stream(request: Request, body: CompileBody, app: App, _caller: DegradableReader) -> Response:
    """Events `progress` (`stage`, `percent`), then `done` with what `/api/compile` answers, or `error`."""

    async def do(emit: Emit[Event]) -> None:
        async def progress(stage: str, percent: int) -> None:
            await emit(Event("progress", {"stage": stage, "percent": percent}))

        result = await compiled(app, body, "", progress)
        await emit(Event("done", result.model_dump(mode="json")))

    return await answer(request, do, as_events=True)


async def compiled(app: Services, body: CompileBody, pointer: str, progress: Progress | None = None) -> CompiledBody:
    """The body's set compiled; `pointer` is where the body stands in the request."""
    if progress is not None:
        await progress("reading", 10)
    result = await app.compiler.compile_json(
        body.given(), body.language, pointer=pointer, optimize=body.optimize, progress=progress
    )
    return answered(result, body.formats)


def answered(result: Compiled, formats: list[Format] | None) -> CompiledBody:
    """In the formats that were asked for. Raises `Refused` for one that the set cannot be written in."""
    artifacts: Mapping[str, Any] = result.artifacts
    if formats is not None:
        if missing := [name for name in formats if name not in artifacts]:
            there = ", ".join(artifacts) or "none: nothing in it is enforced while decoding"
            raise Refused("/formats", f"this set cannot be written as {missing[0]}; there is {there}")
        artifacts = {name: artifacts[name] for name in formats}
    return CompiledBody(
        digest=result.digest,
        language=result.language,
        artifacts=dict(artifacts),
        report=list(result.report),
        warnings=list(result.warnings),
        sizes=result.sizes,
        timing=vars(result.timing),
        cached=result.cached,
    )
