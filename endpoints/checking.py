"""POST /api/check: texts against a constraint set, as a gate for code that no model wrote."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from endpoints.guard import App, DegradableReader, GuardedRoute
from endpoints.openapi import problem_responses
from functions.constraints.model import Language
from functions.failures import Refused

router = APIRouter(route_class=GuardedRoute, tags=["constraints"])

MOST_TEXTS = 1_000
EXAMPLE: JsonDict = {
    "constraints": {"constraints": [{"name": "no eval", "rule": {"type": "forbid_calls", "calls": ["eval"]}}]},
    "language": "python",
    "texts": ["x = eval('1')\n"],
}


class NamedText(BaseModel):
    """A text with the name that the answer calls it by, such as a file's path."""

    model_config = ConfigDict(extra="forbid")

    name: str
    text: str


class CheckBody(BaseModel):
    """Texts, and what they are held to."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [EXAMPLE]})

    constraints: Any = Field(default=None, description="A constraint set. Give this or `digest`.")
    digest: str | None = Field(default=None, description="Of a set that was compiled.")
    language: Language | None = Field(default=None, description="Of the texts; else as the set's rules say.")
    texts: list[str | NamedText] = Field(min_length=1, max_length=MOST_TEXTS)


class ViolationBody(BaseModel):
    """`constraint` is broken at a place; empty when the text is not in its language at all. Places count from 1."""

    constraint: str
    line: int
    column: int
    message: str


class CheckResult(BaseModel):
    """One text's verdict."""

    ok: bool
    violations: list[ViolationBody]
    name: str | None = None


class CheckAnswer(BaseModel):
    """In the order of the texts; `ok` when all are."""

    ok: bool
    results: list[CheckResult]


@router.post(
    "/api/check",
    summary="Check texts against a constraint set",
    responses=problem_responses(400, 404, 409, 413, 415, 429),
)
async def check(body: CheckBody, app: App, _caller: DegradableReader) -> CheckAnswer:
    """What each text breaks, and where: by the same rules as a generation. Nothing is executed."""
    compiled = await app.compiler.given(body.constraints, body.digest, language=body.language)
    if compiled is None:
        raise Refused("/constraints", "give constraints, or the digest of a set that was compiled")
    texts = [given if isinstance(given, str) else given.text for given in body.texts]
    names = [None if isinstance(given, str) else given.name for given in body.texts]
    judged = await app.compiler.violations(texts, compiled)
    results = [
        CheckResult(ok=not found, violations=[ViolationBody(**v._asdict()) for v in found], name=name)
        for name, found in zip(names, judged, strict=True)
    ]
    return CheckAnswer(ok=all(result.ok for result in results), results=results)
