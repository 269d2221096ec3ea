from typing import Annotated, Literal

import pytest
from fastapi import FastAPI, Query
from pydantic import BaseModel, ConfigDict

from endpoints.problems import KINDS, problem_for
from functions import failures
from functions.failures import (
    BudgetExceeded,
    Conflict,
    ConstraintRefused,
    DatabaseUnavailable,
    EngineUnavailable,
    Failure,
    Forbidden,
    GenerationCut,
    GenerationTimeout,
    KeyReused,
    NotFound,
    PromptTooLong,
    RateLimited,
    Refused,
    StaleVersion,
    StillRunning,
    TooManyAtOnce,
    Unauthenticated,
)
from tests.endpoints.asgi import client_of, with_problems

OCCURRENCES: list[tuple[Failure, int, dict[str, object], dict[str, str]]] = [
    (
        ConstraintRefused("/grammar", "unknown name: x"),
        400,
        {"errors": [{"pointer": "/grammar", "detail": "unknown name: x"}]},
        {},
    ),
    (
        Refused("/prompt", "it is empty"),
        422,
        {"detail": "it is empty", "errors": [{"pointer": "/prompt", "detail": "it is empty"}]},
        {},
    ),
    (KeyReused("", "sent before"), 422, {"detail": "sent before"}, {"x-should-retry": "false"}),
    (PromptTooLong(9000, 8192), 400, {"tokens": 9000, "limit": 8192}, {}),
    (EngineUnavailable("the engine", "it is starting", 12.2), 503, {}, {"retry-after": "13"}),
    (DatabaseUnavailable("the database", "no answer", 0), 503, {}, {"retry-after": "1"}),
    (GenerationTimeout(600), 504, {}, {}),
    (NotFound("session"), 404, {"detail": "there is no session"}, {}),
    (StaleVersion(7), 412, {"current_version": 7}, {}),
    (Conflict("holes are open", {"holes": ["h1"]}), 409, {"holes": ["h1"]}, {"x-should-retry": "false"}),
    (Unauthenticated("no token"), 401, {"detail": "no token"}, {"www-authenticate": 'Bearer realm="lift-sys"'}),
    (Forbidden("not yours"), 403, {"detail": "not yours"}, {}),
    (
        RateLimited("burst", 100, 60, 0, 29.5),
        429,
        {},
        {"retry-after": "30", "ratelimit": '"burst";r=0;t=30', "ratelimit-policy": '"burst";q=100;w=60'},
    ),
    (StillRunning("wait", {}), 409, {}, {"x-should-retry": "true", "retry-after": "2"}),
    (TooManyAtOnce("concurrent", 8, 0, 0, 2), 429, {}, {"retry-after": "2"}),
    (GenerationCut("the code", 512), 422, {}, {}),
    (BudgetExceeded("day", 10, 9.5), 402, {"period": "day", "limit_usd": 10, "spent_usd": 9.5}, {}),
]


@pytest.mark.parametrize(("failure", "status", "members", "headers"), OCCURRENCES, ids=lambda v: type(v).__name__)
async def test_a_failure_is_its_problem_document(
    failure: Failure, status: int, members: dict[str, object], headers: dict[str, str]
):
    app = with_problems(FastAPI())

    @app.get("/fails")
    async def fails() -> None:
        raise failure

    async with client_of(app) as client:
        response = await client.get("/fails")
    document = response.json()
    assert response.status_code == document["status"] == status
    assert response.headers["content-type"] == "application/problem+json"
    assert document["type"] == f"/docs/problems#{KINDS[type(failure)].name}"
    assert document["detail"] == str(failure)
    assert document["instance"] == "/fails"
    assert members.items() <= document.items()
    assert headers.items() <= dict(response.headers).items()


def test_every_failure_there_is_has_a_kind():
    named = {c for c in vars(failures).values() if isinstance(c, type) and issubclass(c, Failure)} - {Failure}
    assert named == set(KINDS)


def test_a_new_kind_of_failure_is_what_its_base_is():
    class DiskUnavailable(failures.Unavailable):
        pass

    assert problem_for(DiskUnavailable("the disk", "it is full")).status == 503


def test_details_of_a_conflict_cannot_overwrite_the_document():
    problem = problem_for(Conflict("no", {"status": 200, "title": "fine"}))
    assert problem.document({"path": "/"})["status"] == 409


class Item(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["a"]
    size: int


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")
    items: list[Item | str]
    name: str


def validating() -> FastAPI:
    app = with_problems(FastAPI())

    @app.post("/things")
    async def things(body: Body, limit: Annotated[int, Query(ge=1)] = 1) -> int:
        return len(body.items) + limit

    @app.get("/things")
    async def list_things() -> None: ...

    return app


async def test_every_fault_of_a_body_has_its_pointer_and_no_value_is_echoed():
    body = {"items": [{"kind": "secret", "size": 1}], "a/b~c": "secret"}
    async with client_of(validating()) as client:
        response = await client.post("/things?limit=0", json=body)
    document = response.json()
    assert response.status_code == 422
    assert document["type"] == "/docs/problems#invalid-request"
    pointers = {error["pointer"] for error in document["errors"] if "pointer" in error}
    # The steps that pydantic adds for the members of a union are not in the pointers: they are not in the body.
    assert pointers == {"/items/0/kind", "/items/0", "/name", "/a~1b~0c"}
    assert [error["parameter"] for error in document["errors"] if "parameter" in error] == ["query limit"]
    assert "secret" not in response.text


async def test_what_has_no_route_and_no_method_are_problems_too():
    async with client_of(validating()) as client:
        missing, wrong_method = await client.get("/nothing"), await client.delete("/things")
    assert missing.status_code == missing.json()["status"] == 404
    assert wrong_method.status_code == 405
    assert wrong_method.headers["allow"] == "GET, POST"
    for response in (missing, wrong_method):
        assert response.headers["content-type"] == "application/problem+json"
        assert response.json()["type"] == "about:blank"
