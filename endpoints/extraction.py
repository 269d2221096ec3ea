"""POST /api/extract: source files to the constraints that they already keep to, each with its evidence."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from endpoints.guard import App, GuardedRoute, Reader
from endpoints.json_request import JsonRequest
from endpoints.openapi import inline_schema, problem_responses
from functions.constraints.extraction import SourceFile
from functions.failures import Refused

router = APIRouter(route_class=GuardedRoute, tags=["constraints"])

ARCHIVES = frozenset(
    {"application/zip", "application/x-zip-compressed", "application/x-tar", "application/gzip", "application/x-gtar"}
)
_TAKEN = "application/json, multipart/form-data, application/zip, application/x-tar or application/gzip"

_BINARY = {"type": "string", "format": "binary"}


class FileBody(BaseModel):
    """One source file. Its path says the language and is never opened."""

    model_config = ConfigDict(extra="forbid")

    path: str = Field(min_length=1, max_length=1_000)
    text: str


class ExtractBody(BaseModel):
    """Source files."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"files": [{"path": "a.py", "text": "def add(a: int) -> int:\n    return a\n"}]}]
        },
    )

    files: list[FileBody] = Field(min_length=1)


class SkippedBody(BaseModel):
    """A file that was not read, and why."""

    path: str
    reason: str


class ExtractAnswer(BaseModel):
    """One constraint set per language, as `/api/compile` takes it, and what was not read."""

    constraint_sets: list[dict[str, Any]]
    skipped: list[SkippedBody]
    files_read: int


@router.post(
    "/api/extract",
    summary="Mine constraints from source code",
    responses=problem_responses(400, 413, 415, 429),
    openapi_extra={
        # openapi-python-client's module for several kinds of bodies imports what it needs only beside such a parameter.
        "parameters": [
            {
                "name": "X-Request-Id",
                "in": "header",
                "required": False,
                "schema": {"type": "string"},
                "description": "The request's name in answers and logs; one is made up where there is none.",
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": inline_schema(ExtractBody)},
                "multipart/form-data": {"schema": {"type": "object", "additionalProperties": _BINARY}},
                **{kind: {"schema": _BINARY} for kind in sorted(ARCHIVES)},
            },
        },
    },
)
async def extract(request: Request, app: App, _caller: Reader) -> ExtractAnswer:
    """Habits that nearly all of the code keeps to, as constraints whose confidence is their support.

    Files as JSON, as a form, or as a zip or tar. Python and TypeScript are read; nothing is executed or written.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ARCHIVES:
        extraction = await app.extractor.of_archive(await request.body())
    elif kind == "multipart/form-data":
        extraction = await app.extractor.of_files(await _uploaded(request))
    elif kind == "application/json":
        extraction = await app.extractor.of_files(await _listed(request))
    else:
        raise HTTPException(415, f"the content-type is {kind or 'missing'!r}; send {_TAKEN}")
    return ExtractAnswer(
        constraint_sets=extraction.constraint_sets,
        skipped=[SkippedBody(path=file.path, reason=file.reason) for file in extraction.skipped],
        files_read=extraction.files_read,
    )


async def _listed(request: Request) -> Sequence[SourceFile]:
    try:
        body = ExtractBody.model_validate(await JsonRequest(request.scope, request.receive).json())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise Refused("".join(f"/{part}" for part in first["loc"]), first["msg"]) from None
    return [SourceFile(file.path, file.text) for file in body.files]


async def _uploaded(request: Request) -> Sequence[SourceFile]:
    files = []
    async with request.form(max_files=2_000, max_fields=2_000) as form:
        for name, value in form.multi_items():
            if isinstance(value, UploadFile):
                content = await value.read()
                files.append(SourceFile(value.filename or name, content.decode("utf-8", "replace")))
            else:
                files.append(SourceFile(name, value))
    if not files:
        raise Refused("", "the form has no files")
    return files
