"""What an order that fails costs, and whose fault it is."""

import uuid
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from endpoints.app import create_app
from endpoints.composition import assemble
from functions.cache import FileStore
from functions.failures import EngineUnavailable
from functions.sentence_model import SentenceModel
from functions.validation import ConstraintValidator
from infra.settings import Settings
from tests.database_fixtures import Stack
from tests.endpoints.conftest import Web, secrets_of
from tests.endpoints.console.scripted_engine import ScriptedEngine

ORDER = {"prompt": "sum the even numbers", "until": "code"}
REFUSED = {"constraints": [{"rule": {"type": "nothing that there is"}}]}


@pytest.fixture
def scripted() -> ScriptedEngine:
    return ScriptedEngine()


@pytest.fixture
async def web(
    stack: Stack,
    settings: Settings,
    validator: ConstraintValidator,
    scripted: ScriptedEngine,
    embedder: SentenceModel,
    store: FileStore,
) -> AsyncIterator[Web]:
    async with assemble(settings, secrets_of(stack), scripted, validator, embedder=embedder, store=store) as services:
        yield Web(stack, services, create_app(services), embedder)


async def ended(web: Web, order: dict[str, object]) -> tuple[httpx.Response, asyncpg.Record]:
    """The answer to an order, and what the ledger knows of it."""
    user, client = await web.user_client()
    answer = await client.post("/api/sessions", json=order)
    await web.services.afterwards.close()
    owner = await asyncpg.connect(web.stack.dsn)
    (row,) = await owner.fetch(
        "select state, error, private.is_fault(state, error) as fault, gpu_seconds, completion_tokens"
        " from public.generations where user_id = $1",
        uuid.UUID(user.id),
    )
    await owner.close()
    return answer, row


async def test_an_engine_that_cannot_begin_is_not_the_callers_to_pay_for(web: Web, scripted: ScriptedEngine):
    scripted.failure = EngineUnavailable("the engine", "it is cold")
    answer, row = await ended(web, ORDER)
    assert answer.status_code == 503
    assert answer.json()["session_id"]
    assert tuple(row) == ("released", "EngineUnavailable", True, None, None)


async def test_a_specification_is_paid_for_also_where_its_constraints_are_refused(web: Web):
    answer, row = await ended(web, {**ORDER, "constraints": REFUSED})
    assert answer.status_code == 400
    assert answer.json()["session_id"]
    assert tuple(row)[:3] == ("settled", "ConstraintRefused", False)
    assert row["completion_tokens"] > 0


async def test_constraints_that_are_refused_before_anything_is_written_cost_nothing(web: Web):
    ir = {"intent": {"summary": "one"}, "signature": {"name": "one", "parameters": [], "returns": "int"}}
    answer, row = await ended(web, {"ir": ir, "until": "code", "constraints": REFUSED})
    assert answer.status_code == 400
    assert tuple(row)[:3] == ("released", "ConstraintRefused", False)
