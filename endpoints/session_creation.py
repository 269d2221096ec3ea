"""POST /api/sessions: words in; a session with a specification and, as far as it goes, code out."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from starlette.requests import Request
from starlette.responses import Response

from endpoints.guard import App, Generator
from endpoints.idempotency import CostlyRoute
from endpoints.openapi import event_stream, problem_responses
from endpoints.order_answer import answer_order
from endpoints.own_tests import TESTS, Tests
from endpoints.preconditions import etag
from endpoints.reversal import FunctionName, Source
from endpoints.session_work import working
from endpoints.specification import Words
from functions.ir import IntermediateRepresentation, TargetLanguage
from functions.own_tests import read_own_tests
from functions.session_pipeline import Order
from functions.sessions import Session

router = APIRouter(route_class=CostlyRoute, prefix="/api/sessions", tags=["sessions"])

_STREAMED = 'id: 1\nevent: session\ndata: {"session":{...}}\n\nid: 40\nevent: done\ndata: {...}\n\n'


class CreateSession(BaseModel):
    """What the function should do, in words; or a specification, or code, that is there already."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"prompt": "add two integers"},
                {"prompt": "sort words", "until": "ir"},
                {"prompt": "add two integers", "tests": "def test_adds():\n    assert add(1, 2) == 3\n"},
                {"prompt": "count the words of a text", "language": "typescript"},
            ]
        },
    )

    prompt: Words | None = Field(default=None, description="The function in plain words. Give this, `ir` or `source`.")
    ir: IntermediateRepresentation | None = Field(default=None, description="A specification to write code for.")
    source: Source | None = Field(default=None, description="Code to read the specification off; it is the code.")
    name: FunctionName | None = Field(default=None, description="Which function of the source is meant.")
    language: TargetLanguage = Field(
        default="python", description="Of the code. TypeScript is read and written, not run; an `ir` has its own."
    )
    constraints: dict[str, Any] | None = Field(default=None, description="A constraint set for the code.")
    until: Literal["ir", "code"] = Field(default="code", description="How far to go. Open holes stop before code.")
    assume: StrictBool = Field(default=False, description="Take the first suggestion for each open hole, and go on.")
    metadata: dict[str, Any] = Field(default={}, description="Kept with the session as it is.")
    tests: Tests | None = Field(default=None, description=TESTS)

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if [self.prompt, self.ir, self.source].count(None) != len(("prompt", "ir", "source")) - 1:
            raise ValueError("give exactly one of prompt, ir and source")
        if self.source is None and self.name is not None:
            raise ValueError("name is for a source")
        language = self.ir.metadata.language if self.ir else self.language
        if "language" in self.model_fields_set and language != self.language:
            raise ValueError(f"language is {self.language}, and the ir's metadata says {language}")
        if self.tests is not None and language != "python":
            raise ValueError("tests are for Python: TypeScript is not run here")
        return self

    def order(self) -> Order:
        """The body as the pipeline takes it. What comes without words is found by its summary."""
        return Order(
            prompt=self.prompt or (self.ir.intent.summary if self.ir else self.source or ""),
            ir=self.ir,
            source=self.source,
            name=self.name,
            language=self.language,
            constraints=self.constraints,
            until=self.until,
            assume=self.assume,
            metadata=self.metadata,
            tests=read_own_tests(self.tests) if self.tests is not None else None,
        )


@router.post(
    "",
    status_code=201,
    response_model=Session,
    summary="Words or code to a session with specification and code",
    responses={201: {"content": event_stream(_STREAMED)}, **problem_responses(400, 402, 409, 413, 415, 429, 504)},
)
async def create_session(request: Request, body: CreateSession, app: App, caller: Generator) -> Response:
    """What was asked is stored before a model works on it: a failure after that leaves a session to go on from.

    Then `generation_status` is "error" and the problem document has `session_id`. With `Accept: text/event-stream`:
    `session` at once, `ir` and `code` when they are stored, progress in between, then `done` or `error`; a client that
    loses the connection goes on by `GET /api/sessions/{id}/work` with its `Last-Event-ID`: the work does not stop.
    """
    do = working(app, request, caller, body.order())
    return await answer_order(app, request, caller, do, status_code=201, headers_of=_headers)


def _headers(data: Mapping[str, Any]) -> Mapping[str, str]:
    session = data.get("session", data)
    return {"location": f"/api/sessions/{session['id']}", "etag": etag(session["version"])}
