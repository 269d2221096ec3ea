"""Who lets work begin while the database is there, goes away, and is away; and who is told how it ended."""

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from starlette.requests import Request

from endpoints import settlements
from endpoints.admitted_work import Admitted, ByLedger, ByServer, let_begin
from endpoints.afterwards import Afterwards
from endpoints.services import Services
from endpoints.settlements import Settlements
from functions.callers import Caller
from functions.degraded_mode import DegradedMode
from functions.failures import BudgetExceeded, DatabaseUnavailable, RateLimited
from functions.ledger import Ledger, Outcome, RateState, Reservation, Work
from functions.usage_outbox import UsageOutbox
from infra.operation_settings import DegradedSettings

CALLER = Caller("00000000-0000-4000-8000-000000000001", "", None, frozenset())
STATE = RateState(policy="generations", quota=5, window_s=60, remaining=4, reset_s=12)
SETTINGS = DegradedSettings(
    enabled=True,
    verified_within_s=60,
    requests_per_minute=6,
    allowance_usd=1.0,
    outbox_directory="unused",
    outbox_entries=4,
)
AWAY = DatabaseUnavailable("the database", "it cannot be reached")


class Books:
    """A ledger that answers as it is told to: by raising what `raises` has, first to last, then by letting all pass."""

    def __init__(self) -> None:
        self.raises: list[BaseException] = []
        self.calls: list[tuple[str, str]] = []
        self.released_for: list[str | None] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    async def admit(self, _caller: Caller, work: Work) -> Reservation:
        await self._asked("admit", work.id)
        return Reservation(id=work.id, limits=(STATE,))

    async def settle(self, _caller: Caller, work_id: str, _outcome: Outcome) -> None:
        await self._asked("settle", work_id)

    async def release(self, _caller: Caller, work_id: str, *, error: str | None = None) -> None:
        self.released_for.append(error)
        await self._asked("release", work_id)

    async def _asked(self, what: str, work_id: str) -> None:
        self.calls.append((what, work_id))
        self.asked.set()
        await self.gate.wait()
        if self.raises:
            raise self.raises.pop(0)


class Server:
    """One server's part of letting work begin."""

    def __init__(self, directory: Path, *, degradable: bool = True) -> None:
        self.books = Books()
        self.afterwards = Afterwards()
        self.degraded: DegradedMode | None = None
        if degradable:
            self.degraded = DegradedMode(SETTINGS, cast("Ledger", self.books), UsageOutbox(directory, 4))
        ledger = cast("Ledger", self.books)
        self.settlements = Settlements(ledger, self.afterwards, self.degraded, at_once=4)
        self.work = work_of(0.25)
        self.request = Request({"type": "http", "state": {"degraded": self.degraded}})

    async def begin(self, work: Work | None = None) -> Admitted:
        services = SimpleNamespace(
            ledger=self.books, afterwards=self.afterwards, settlements=self.settlements, degraded=self.degraded
        )
        return await let_begin(cast("Services", services), self.request, CALLER, work or self.work)

    async def told(self) -> list[str]:
        """What the books were asked, in order, all that is under way included."""
        await self.settlements.do_now(CALLER.user_id)
        while self.afterwards._tasks:
            await asyncio.wait(self.afterwards._tasks)
        assert {work_id for _, work_id in self.books.calls} <= {self.work.id}
        return [what for what, _ in self.books.calls]


def work_of(usd: float) -> Work:
    return Work(endpoint="generate", environment="local", model="m", gpu="cpu", estimated_usd=usd)


Serving = Callable[..., Server]


@pytest.fixture
def serving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Serving:
    monkeypatch.setattr(settlements, "TOLD_AGAIN_AFTER_S", (0, 0))
    return lambda **options: Server(tmp_path, **options)


@pytest.mark.parametrize("degradable", [False, True])
async def test_the_ledger_lets_work_begin_and_is_told_how_it_ended(serving: Serving, degradable: bool):  # noqa: FBT001
    server = serving(degradable=degradable)
    admitted = await server.begin()
    assert isinstance(admitted, ByLedger)
    assert admitted.limits == (STATE,)
    await admitted.settle(Outcome(0.1))
    assert [what for what, _ in server.books.calls] == ["admit"], "after the answer"
    assert await server.told() == ["admit", "settle"]
    await (await server.begin()).release("Refused")
    assert await server.told() == ["admit", "settle", "admit", "release"]
    assert server.books.released_for == ["Refused"]
    await (await server.begin()).settle(Outcome(0.1, finish_reason="abort"))
    assert [what for what, _ in server.books.calls][4:] == ["admit", "settle"], "at once, where no answer follows"


async def test_a_ledger_that_does_not_answer_lets_nothing_begin_and_is_asked_for_the_reservation_again_and_again(
    serving: Serving,
):
    server = serving(degradable=False)
    server.books.raises = [AWAY, AWAY, AWAY]
    with pytest.raises(DatabaseUnavailable):
        await server.begin()
    assert await server.told() == ["admit", "release", "release", "release"]


async def test_who_leaves_while_the_ledger_is_asked_leaves_nothing_reserved(serving: Serving):
    server = serving()
    server.books.gate.clear()
    asking = asyncio.create_task(server.begin())
    await server.books.asked.wait()
    asking.cancel()
    server.books.gate.set()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await server.told() == ["admit", "release"]


@pytest.mark.parametrize("refusal", [RateLimited("generations", 5, 60, 0, 1.0), BudgetExceeded("day", 1.0, 1.0)])
async def test_what_the_ledger_refuses_is_refused_and_nothing_is_left_to_tell(serving: Serving, refusal: Exception):
    server = serving()
    server.books.raises = [refusal]
    with pytest.raises(type(refusal)):
        await server.begin()
    assert await server.told() == ["admit"]
    assert server.degraded is not None
    assert not server.degraded.is_away


async def test_while_the_ledger_is_away_this_server_lets_work_begin_for_whom_it_knows(serving: Serving):
    server = serving()
    assert server.degraded is not None
    await server.begin()
    server.work = work_of(0.25)
    server.books.calls.clear()
    server.books.raises = [AWAY]
    first = await server.begin()
    assert isinstance(first, ByServer)
    assert [limit.policy for limit in first.limits] == ["degraded"]
    assert dict(server.request.state.response_headers)[b"service-mode"] == b"degraded"
    assert server.degraded.is_away
    await server.begin(work_of(0.25))
    assert [what for what, _ in server.books.calls] == ["admit"], "nobody waits again for what has just failed"
    await first.settle(Outcome(0.125))
    assert await server.told() == ["admit"]
    (entry,) = [use for use in await server.degraded._outbox.entries() if use.id == first.work.id]
    assert entry.outcome is not None
    assert entry.outcome["cost_usd"] == 0.125
    second = work_of(0.125)
    await (await server.begin(second)).release("Refused")
    (entry,) = [use for use in await server.degraded._outbox.entries() if use.id == second.id]
    assert entry.outcome == {"released": True, "error": "Refused"}


async def test_an_answer_is_good_although_its_cost_cannot_be_noted(serving: Serving, tmp_path: Path):
    server = serving()
    await server.begin()
    server.work = work_of(0.25)
    server.books.calls.clear()
    server.books.raises = [AWAY]
    settled, released = await server.begin(), await server.begin(work_of(0.25))
    shutil.rmtree(tmp_path)
    await settled.settle(Outcome(0.125))
    await released.release("Refused")
    assert server.degraded is not None
    assert not server.degraded._under_way


async def test_whom_this_server_does_not_know_it_lets_begin_nothing_and_what_may_be_reserved_is_given_back(
    serving: Serving,
):
    server = serving()
    server.books.raises = [AWAY]
    with pytest.raises(DatabaseUnavailable):
        await server.begin()
    assert await server.told() == ["admit", "release"]


async def test_a_ledger_that_goes_away_in_mid_work_is_told_by_a_note(serving: Serving):
    server = serving()
    assert server.degraded is not None
    for end in ("settle", "release"):
        server.work = work_of(0.25)
        server.books.calls.clear()
        admitted: Any = await server.begin()
        server.books.raises = [AWAY]
        await (admitted.settle(Outcome(0.125)) if end == "settle" else admitted.release("Refused"))
        assert await server.told() == ["admit", end]
        (entry,) = [use for use in await server.degraded._outbox.entries() if use.id == server.work.id]
        assert entry.outcome is not None
        assert entry.outcome["error"] == (None if end == "settle" else "Refused")
        assert entry.outcome.get("released", False) == (end == "release")
