"""What becomes of a cost that the ledger could not be told of, when nobody waits for it any more."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from endpoints import admitted_work
from endpoints.admitted_work import ByLedger
from endpoints.afterwards import Afterwards
from endpoints.services import Services
from functions.callers import Caller
from functions.failures import DatabaseUnavailable
from functions.ledger import Outcome, Work

WORK = Work(endpoint="generate", environment="local", model="m", gpu="cpu", estimated_usd=0.0)


class Ledger:
    """Cannot be reached the first time, which it says late."""

    def __init__(self) -> None:
        self.asked, self.told = asyncio.Event(), 0
        self.late = asyncio.Event()

    async def settle(self, *_: object) -> None:
        if not self.asked.is_set():
            self.asked.set()
            await self.late.wait()
            raise DatabaseUnavailable("the database", "it did not answer")
        self.told += 1

    async def release(self, caller: Caller, work_id: str, *, error: str | None) -> None:
        await self.settle(caller, work_id, error)


@pytest.mark.parametrize("end", ["settle", "release"])
async def test_a_client_that_leaves_while_the_ledger_is_away_takes_no_cost_with_it(
    end: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(admitted_work, "TOLD_AGAIN_AFTER_S", (0,))
    ledger, afterwards = Ledger(), Afterwards()
    app = cast("Services", SimpleNamespace(ledger=ledger, afterwards=afterwards, degraded=None))
    admitted = ByLedger(app, Request({"type": "http"}), Caller("u", "", None, frozenset()), WORK, ())
    telling: Any = admitted.settle(Outcome(0.1)) if end == "settle" else admitted.release("Refused")
    waiting = asyncio.create_task(telling)
    await ledger.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    ledger.late.set()
    await afterwards.close()
    await afterwards.close()  # what the first one began
    assert ledger.told == 1
