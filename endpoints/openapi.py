"""The API's description (OpenAPI 3.1): FastAPI's own, completed with credentials and the errors there really are."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, cast

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from endpoints.guard import PUBLIC_PATHS
from endpoints.idempotency import CostlyRoute
from endpoints.openai import errors as openai_errors
from endpoints.problems import MEDIA_TYPE
from endpoints.version import VERSION

DESCRIPTION = """
Describe a function in plain words; get a typed specification that you can read and refine; then code whose constraints
are enforced while the model writes it, token by token.

* **Credentials**: `Authorization: Bearer <access token or API key>`, or `X-API-Key`. API keys begin with `lsk_`.
* **Errors** are problem documents (RFC 9457); [the catalogue](/docs/problems) lists them. `errors[]` points at fields.
* **Lists** page by an opaque cursor: pass `next_cursor` back as `cursor` until it is null.
* **Writes** to a session take `If-Match` with its `ETag`, and answer 412 when somebody else was faster.
* **Costly requests** take `Idempotency-Key`: repeating one with the same key answers as the first time, at no cost.
* **Streams** are server-sent events, sent to who asks with `Accept: text/event-stream`.
* **OpenAI's clients** work with `/v1` as their base URL; errors have OpenAI's shape there.
"""
TAGS = [
    {"name": "sessions", "description": "Prompt to specification to code, kept with every version."},
    {"name": "specification", "description": "The same steps without a session."},
    {"name": "generation", "description": "Raw constrained generation."},
    {"name": "constraints", "description": "Constraint sets: mined, compiled, checked."},
    {"name": "openai", "description": "The same engine by OpenAI's protocol."},
    {"name": "account", "description": "Profile, API keys, usage."},
    {"name": "operation", "description": "Whether the service is well, what it costs, how it is used."},
]
SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A Supabase access token, or an API key (`lsk_...`).",
    },
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "An API key (`lsk_...`)."},
}
_EVERY_ROUTE = (429, 500, 503)
_EVERY_GUARDED_ROUTE = (401, 403, 422, *_EVERY_ROUTE)
_EVERY_BODY = (400, 408, 413, 415)


class FieldErrorDocument(BaseModel):
    """One fault in the request."""

    detail: str
    pointer: str | None = Field(default=None, description="JSON pointer (RFC 6901) into the body.")
    parameter: str | None = Field(default=None, description="Where else it is, such as `query limit`.")


class ProblemDocument(BaseModel):
    """An error (RFC 9457). Some kinds have members of their own, such as `current_version`."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "/docs/problems#constraint-refused",
                "title": "The constraint cannot be enforced",
                "status": 400,
                "detail": "unknown name: digits",
                "instance": "/api/generate",
                "request_id": "0a3f6c1e9d4b4f5c8a7e2b1d0c9f8e7a",
                "errors": [{"detail": "unknown name: digits", "pointer": "/grammar"}],
            }
        },
    )

    type: str = Field(description="A relative reference into the catalogue at /docs/problems, or `about:blank`.")
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldErrorDocument] | None = None


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: the problems that it may answer with, besides those of every route."""
    return {status: _problem(status) for status in statuses}


def event_stream(description: str) -> dict[str, Any]:
    """For a route's `responses`: that it can answer with server-sent events.

    The schema is one event's, as tools read it before OpenAPI 3.2 (which has `itemSchema` for it).
    """
    return {"text/event-stream": {"schema": _EVENT, "example": description}}


def inline_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Of a body that a route reads itself: its parts stand in it, where FastAPI would not look for them."""
    schema = model.model_json_schema()
    parts = schema.pop("$defs", {})

    def resolved(value: Any) -> Any:
        match value:
            case {"$ref": str(reference)}:
                return resolved(parts[reference.rpartition("/")[2]])
            case dict():
                return {key: resolved(item) for key, item in value.items()}
            case list():
                return [resolved(item) for item in value]
            case _:
                return value

    return cast("dict[str, Any]", resolved(schema))


def describe(app: FastAPI) -> dict[str, Any]:
    """The description of `app`, made once."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title="lift-sys",
            version=VERSION,
            description=DESCRIPTION,
            tags=TAGS,
            routes=app.routes,
            license_info=_LICENSE,
        )
        _complete(schema, [route for route in app.routes if isinstance(route, APIRoute)])
        app.openapi_schema = schema
    return app.openapi_schema


class OpenAIError(BaseModel):
    """What went wrong under /v1, in OpenAI's shape."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorDocument(BaseModel):
    """An error under /v1."""

    error: OpenAIError


_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["data"],
}
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    "description": "Repeating the request with the same key within 24 hours answers as the first time, at no cost.",
}
_LICENSE = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _problem(status: int) -> dict[str, Any]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDocument"}}}
    return {"description": HTTPStatus(status).phrase, "content": content}


def _complete(schema: dict[str, Any], routes: Sequence[APIRoute]) -> None:
    components = schema.setdefault("components", {})
    schemas: dict[str, Any] = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    problem = ProblemDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= problem.pop("$defs")
    schemas["ProblemDocument"] = problem
    openai_error = OpenAIErrorDocument.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= openai_error.pop("$defs")
    schemas["OpenAIErrorDocument"] = openai_error
    components["securitySchemes"] = SECURITY_SCHEMES
    schema["security"] = [{name: []} for name in SECURITY_SCHEMES]
    for route in routes:
        for method in route.methods if route.include_in_schema else ():
            operation = schema["paths"][route.path_format][method.lower()]
            _complete_operation(operation, is_public=route.path_format in PUBLIC_PATHS)
            if route.path_format.startswith(openai_errors.PREFIX):
                _in_openai_shape(operation)
            if isinstance(route, CostlyRoute) and method == "POST":
                operation.setdefault("parameters", []).append(_IDEMPOTENCY_KEY)


def _complete_operation(operation: dict[str, Any], *, is_public: bool) -> None:
    responses: dict[str, Mapping[str, Any]] = operation["responses"]
    if is_public:
        operation["security"] = []
        responses.pop("422", None)
    body = _EVERY_BODY if "requestBody" in operation else ()
    for status in (*(_EVERY_ROUTE if is_public else _EVERY_GUARDED_ROUTE), *body):
        if str(status) not in responses or status == HTTPStatus.UNPROCESSABLE_ENTITY:
            responses[str(status)] = _problem(status)
    operation["responses"] = dict(sorted(responses.items()))


def _in_openai_shape(operation: dict[str, Any]) -> None:
    """What is 422 elsewhere is 400 there (`endpoints.openai.errors`)."""
    responses: dict[str, Any] = operation["responses"]
    responses["400"] = responses.pop("422")
    for status, response in responses.items():
        if status != "200":
            response["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/OpenAIErrorDocument"}}}
    operation["responses"] = dict(sorted(responses.items()))
