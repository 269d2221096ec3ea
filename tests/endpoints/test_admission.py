"""What the ledger is told of how work ended: by it the error rate is judged."""

import asyncpg
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from endpoints.admission import CALLERS_OWN, admitted
from endpoints.guard import App, Generator, GuardedRoute
from endpoints.services import Services
from endpoints.trace_context import TraceContextMiddleware
from functions import failures
from functions.costs import cost_usd
from functions.failures import (
    EngineUnavailable,
    Failure,
    GenerationCut,
    GenerationTimeout,
    Refused,
    StaleVersion,
    UnknownDigest,
)
from functions.generation import Timing, Usage
from infra.settings import load_settings
from tests.database_fixtures import Stack
from tests.endpoints.asgi import client_of, with_problems
from tests.endpoints.conftest import Web
from tests.otlp_receiver import exporting, receiver, values

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"

ENDS = {
    "well": None,
    "unused": Refused("/x", "no"),
    "unknown": UnknownDigest("constraint set"),
    "refused": Refused("/x", "no"),
    "overtaken": StaleVersion(2),
    "away": EngineUnavailable("the engine", "it is cold"),
    "late": GenerationTimeout(1.0),
    "bug": ZeroDivisionError("a bug"),
}
BEFORE_ANYTHING_IS_USED = {"unused", "unknown"}


def app_of(services: Services) -> FastAPI:
    app = with_problems(FastAPI())
    app.state.services = services

    async def work(request: Request, app: App, caller: Generator, end: str) -> list[str]:
        async with admitted(app, request, caller, endpoint=end) as admission:
            if end not in BEFORE_ANYTHING_IS_USED:
                admission.used(
                    Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
                    Timing(time_to_first_token_s=None, total_s=2.0, sandbox_s=1.0),
                )
            if (error := ENDS[end]) is not None:
                raise error
        return [limit.policy for limit in admission.limits]

    app.router.route_class = GuardedRoute
    app.router.add_api_route("/work", work, methods=["POST"], response_model=None)
    return app


async def test_how_work_ended_is_in_the_ledger(web: Web):
    user = await web.stack.user()
    client = client_of(
        app_of(web.services), headers={"authorization": f"Bearer {user.token}"}, raise_app_exceptions=False
    )
    answers = {end: await client.post("/work", params={"end": end}) for end in ENDS}
    assert {end: answer.status_code for end, answer in answers.items()} == {
        "well": 200,
        "unused": 422,
        "unknown": 404,
        "refused": 422,
        "overtaken": 412,
        "away": 503,
        "late": 504,
        "bug": 500,
    }
    assert "generations" in answers["well"].json()
    await web.services.afterwards.close()
    owner = await asyncpg.connect(web.stack.dsn)
    rows = await owner.fetch(
        "select endpoint, state, error, private.is_fault(state, error) as fault from public.generations"
        " order by created_at"
    )
    await owner.close()
    assert [tuple(row) for row in rows] == [
        ("well", "settled", None, False),
        ("unused", "released", "Refused", False),
        ("unknown", "released", "UnknownDigest", False),
        ("refused", "settled", "Refused", False),
        ("overtaken", "settled", "StaleVersion", False),
        ("away", "released", "EngineUnavailable", True),
        ("late", "settled", "GenerationTimeout", True),
        ("bug", "settled", "UnexpectedError", True),
    ]


async def test_what_comes_of_the_callers_own_request_is_no_fault_of_the_service(stack: Stack):
    ends = [kind for kind in vars(failures).values() if isinstance(kind, type) and issubclass(kind, Failure)]
    owner = await asyncpg.connect(stack.dsn)
    faults = {kind: await owner.fetchval("select private.is_fault('settled', $1)", kind.__name__) for kind in ends}
    await owner.close()
    assert faults == {kind: not issubclass(kind, (*CALLERS_OWN, GenerationCut)) for kind in ends}


async def test_work_is_known_by_its_trace_which_says_what_it_cost(web: Web):
    user = await web.stack.user()
    client = client_of(
        TraceContextMiddleware(app_of(web.services)),
        headers={"authorization": f"Bearer {user.token}", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"},
    )
    with receiver() as received:
        with exporting(received.address):
            await client.post("/work", params={"end": "well"})
            await web.services.afterwards.close()
        assert values(received.span("POST /work").attributes)["lift_sys.cost_usd"] >= 0
    owner = await asyncpg.connect(web.stack.dsn)
    rows = await owner.fetch("select endpoint, trace_id from public.generations")
    await owner.close()
    assert [tuple(row) for row in rows] == [("well", TRACE)]


def test_a_price_is_made_of_engine_cores_and_sandbox():
    settings = load_settings("production")
    assert cost_usd(settings, 3600) == pytest.approx(2.5)
    assert cost_usd(settings, 0, cpu_seconds=3600) == pytest.approx(0.04716)
    assert cost_usd(settings, 0, sandbox_seconds=3600) == pytest.approx(0.14148)
    assert cost_usd(settings, 360, cpu_seconds=360, sandbox_seconds=360) == pytest.approx(0.268864)
    assert cost_usd(load_settings("local"), 3600, cpu_seconds=3600, sandbox_seconds=3600) == 0


def test_an_engine_that_the_price_book_does_not_know_costs_nothing():
    settings = load_settings("production")
    unknown = settings.model_copy(update={"engine": settings.engine.model_copy(update={"gpu": ["other"]})})
    assert cost_usd(unknown, 3600) == 0
    assert cost_usd(unknown, 3600, cpu_seconds=3600) == pytest.approx(0.04716)
