"""What an order that fails costs, and whose fault it is."""

import uuid
from typing import Any

import asyncpg
import httpx

from functions.failures import EngineUnavailable
from tests.endpoints.conftest import Web
from tests.endpoints.console.scripted_engine import ScriptedEngine

WORDS = {"prompt": "sum the even numbers"}
IR = {"ir": {"intent": {"summary": "one"}, "signature": {"name": "one", "parameters": [], "returns": "int"}}}
REFUSED = {"constraints": {"constraints": [{"rule": {"type": "nothing that there is"}}]}}


async def ended(web: Web, order: dict[str, Any]) -> tuple[httpx.Response, asyncpg.Record]:
    """The answer to an order, and what the ledger knows of it."""
    user, client = await web.user_client()
    answer = await client.post("/api/sessions", json=order)
    await web.services.afterwards.close()
    owner = await asyncpg.connect(web.stack.dsn)
    (row,) = await owner.fetch(
        "select state, error, private.is_fault(state, error) as fault, completion_tokens, gpu_seconds"
        " from public.generations where user_id = $1",
        uuid.UUID(user.id),
    )
    await owner.close()
    return answer, row


async def test_an_order_that_fails_costs_what_was_used_and_is_known_by_what_it_failed_of(
    scripted_web: Web, scripted: ScriptedEngine
):
    answer, row = await ended(scripted_web, IR | REFUSED)
    assert (answer.status_code, "session_id" in answer.json()) == (400, True)
    assert tuple(row) == ("released", "ConstraintRefused", False, None, None)

    answer, row = await ended(scripted_web, WORDS | REFUSED)
    assert (answer.status_code, "session_id" in answer.json()) == (400, True)
    assert tuple(row)[:3] == ("settled", "ConstraintRefused", False)
    assert row["completion_tokens"] > 0  # of the specification, which is there

    scripted.failure = EngineUnavailable("the engine", "it is cold")
    answer, row = await ended(scripted_web, WORDS)
    assert (answer.status_code, "session_id" in answer.json()) == (503, True)
    assert tuple(row) == ("released", "EngineUnavailable", True, None, None)
