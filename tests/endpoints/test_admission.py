"""What the ledger is told of how work ended: by it the error rate is judged."""

import asyncpg
import pytest
from fastapi import FastAPI
from starlette.requests import Request

from endpoints.admission import admitted
from endpoints.guard import App, Generator, GuardedRoute
from endpoints.services import Services
from functions.costs import cost_usd
from functions.failures import EngineUnavailable, GenerationTimeout, Refused
from functions.generation import Timing, Usage
from infra.settings import load_settings
from tests.endpoints.asgi import client_of, with_problems
from tests.endpoints.conftest import Web

ENDS = {
    "well": None,
    "refused": Refused("/x", "no"),
    "away": EngineUnavailable("the engine", "it is cold"),
    "late": GenerationTimeout(1.0),
    "bug": ZeroDivisionError("a bug"),
}


def app_of(services: Services) -> FastAPI:
    app = with_problems(FastAPI())
    app.state.services = services

    async def work(request: Request, app: App, caller: Generator, end: str) -> None:
        async with admitted(app, request, caller, endpoint=end) as admission:
            admission.used(
                Usage(prompt_tokens=1, cached_tokens=0, completion_tokens=1),
                Timing(time_to_first_token_s=None, total_s=2.0, sandbox_s=1.0),
            )
            if (error := ENDS[end]) is not None:
                raise error

    app.router.route_class = GuardedRoute
    app.router.add_api_route("/work", work, methods=["POST"], response_model=None)
    return app


async def test_how_work_ended_is_in_the_ledger(web: Web):
    user = await web.stack.user()
    client = client_of(
        app_of(web.services), headers={"authorization": f"Bearer {user.token}"}, raise_app_exceptions=False
    )
    for end in ENDS:
        await client.post("/work", params={"end": end})
    await web.services.afterwards.close()
    owner = await asyncpg.connect(web.stack.dsn)
    rows = await owner.fetch(
        "select endpoint, state, error, private.is_fault(state, error) as fault from public.generations"
        " order by created_at"
    )
    await owner.close()
    assert [tuple(row) for row in rows] == [
        ("well", "settled", None, False),
        ("refused", "released", "Refused", False),
        ("away", "released", "EngineUnavailable", True),
        ("late", "settled", "GenerationTimeout", True),
        ("bug", "settled", "UnexpectedError", True),
    ]


def test_a_price_is_made_of_engine_cores_and_sandbox():
    settings = load_settings("production")
    assert cost_usd(settings, 3600) == pytest.approx(2.5)
    assert cost_usd(settings, 0, cpu_seconds=3600) == pytest.approx(0.04716)
    assert cost_usd(settings, 0, sandbox_seconds=3600) == pytest.approx(0.14148)
    assert cost_usd(settings, 360, cpu_seconds=360, sandbox_seconds=360) == pytest.approx(0.268864)
    assert cost_usd(load_settings("local"), 3600, cpu_seconds=3600, sandbox_seconds=3600) == 0
