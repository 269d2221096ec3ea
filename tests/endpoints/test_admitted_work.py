"""What becomes of a cost that the ledger could not be told of, when nobody waits for it any more."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from endpoints import settlements
from endpoints.admitted_work import ByLedger
from endpoints.afterwards import Afterwards
from endpoints.settlements import Begun, Settlements
from functions import ledger as ledgers
from functions.callers import Caller
from functions.failures import DatabaseUnavailable
from functions.ledger import Outcome, Work

FAILED = Outcome(0.1, error="UnexpectedError")
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

    async def settle_many(self, _: Caller, outcomes: Sequence[tuple[str, Outcome]]) -> list[None]:
        await self.settle()
        return [None] * len(outcomes)

    async def release(self, caller: Caller, work_id: str, *, error: str | None) -> None:
        await self.settle(caller, work_id, error)


def settlements_of(ledger: Ledger, afterwards: Afterwards) -> Settlements:
    return Settlements(cast("ledgers.Ledger", ledger), afterwards, None, at_once=100)


def begin(together: Settlements) -> ByLedger:
    begun = Begun(Caller("u", "", None, frozenset()), WORK)
    together.begin(begun)
    return ByLedger(together, begun, ())


@pytest.mark.parametrize("end", ["settle", "release"])
async def test_a_client_that_leaves_while_the_ledger_is_away_takes_no_cost_with_it(
    end: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(settlements, "TOLD_AGAIN_AFTER_S", (0,))
    ledger, afterwards = Ledger(), Afterwards()
    admitted = begin(settlements_of(ledger, afterwards))
    telling: Any = admitted.settle(FAILED) if end == "settle" else admitted.release("Refused")
    waiting = asyncio.create_task(telling)
    await ledger.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    ledger.late.set()
    await afterwards.close()
    await afterwards.close()  # what the first one began
    assert ledger.told == 1


async def test_what_was_settled_together_while_the_ledger_is_away_is_told_again_each_for_itself(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(settlements, "TOLD_AGAIN_AFTER_S", (0,))
    ledger, afterwards = Ledger(), Afterwards()
    ledger.late.set()
    together = settlements_of(ledger, afterwards)
    for _ in range(3):
        await begin(together).settle(Outcome(0.1))
    await together.do_now("u")
    await afterwards.close()
    assert ledger.told == 3
