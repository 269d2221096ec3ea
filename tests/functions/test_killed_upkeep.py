"""Upkeep that is killed at every step: the incremental job, decisions on warm engines, late settlement."""

import uuid
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from functions.callers import Caller
from functions.database import Database
from functions.degraded_mode import DegradedMode
from functions.embeddings import DIMENSIONS, MODEL, Embedded
from functions.keep_alive_job import decide_now
from functions.ledger import Ledger, Outcome
from functions.maintenance import run_job
from functions.usage_outbox import UsageOutbox
from infra.settings import Settings, load_settings
from tests.data_fixtures import WIDE, People, work
from tests.database_fixtures import Stack
from tests.functions.killing import Steps
from tests.functions.test_maintenance import secrets_of

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FlatEmbedder:
    """Every text has the same meaning: what is stored, and for which version, is what matters here."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        return Embedded([[DIMENSIONS**-0.5] * DIMENSIONS for _ in texts], len(texts))


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


async def test_the_incremental_job_killed_at_every_step(
    stack: Stack, settings: Settings, people: People, owner: asyncpg.Connection, steps: Steps
):
    user = uuid.UUID((await people.new()).user_id)

    def job() -> Awaitable[dict[str, Any]]:
        return run_job("incremental", secrets_of(stack), settings.maintenance, embedder=FlatEmbedder())

    async def begin() -> None:
        for table in ("sessions", "generations", "budgets", "job_runs"):
            await owner.execute(f"delete from public.{table}")  # noqa: S608 - our own words
        await owner.execute("alter table public.sessions disable trigger user")
        await owner.execute(
            "insert into public.sessions (user_id, prompt, version, metadata, generation_status, updated_at) values"
            " ($1, 'died', 1, '{\"until\": \"code\"}', 'pending', now() - interval '5 hours'),"
            " ($1, 'runs', 1, '{\"until\": \"code\"}', 'pending', now()), ($1, 'whole', 2, '{}', 'complete', now())",
            user,
        )
        await owner.execute("alter table public.sessions enable trigger user")
        budget = await owner.fetchval(
            "insert into public.budgets (user_id, period, period_start, reserved_usd)"
            " values ($1, 'month', private.period_start('month', now()), 0.75) returning id",
            user,
        )
        await owner.executemany(
            "insert into public.generations (user_id, endpoint, environment, model, state, estimated_usd, budget_ids,"
            " expires_at) values ($1, 'generate', 'local', 'm', 'reserved', 0.25, array[$2::bigint],"
            " now() + $3::interval)",
            [(user, budget, timedelta(hours=hours)) for hours in (-1, -1, 1)],
        )

    await begin()
    assert await steps.run(job)
    assert steps.taken > 10, "two sweeps, three sessions"
    for number in range(steps.taken):
        for before in (True, False):
            await begin()
            assert not await steps.run(job, kill_at=number, before=before)
            await owner.execute("update public.job_runs set started_at = now() - interval '1 day'")
            assert await steps.run(job)
            where = (number, before)
            reserved = await owner.fetchval("select sum(reserved_usd) from public.budgets where period = 'month'")
            assert reserved == Decimal("0.25"), where
            states = await owner.fetch("select state, count(*) from public.generations group by 1 order by 1")
            assert [tuple(row) for row in states] == [("expired", 2), ("reserved", 1)], where
            sessions = await owner.fetch(
                "select s.prompt, s.generation_status, s.version, e.version as embedded, e.model"
                " from public.sessions as s join public.session_embeddings as e on e.session_id = s.id order by 1"
            )
            assert [tuple(row) for row in sessions] == [
                ("died", "error", 2, 2, MODEL), ("runs", "pending", 1, 1, MODEL), ("whole", "complete", 2, 2, MODEL)
            ], where  # fmt: skip


async def test_a_decision_on_warm_engines_killed_at_every_step(stack: Stack, owner: asyncpg.Connection, steps: Steps):
    settings = load_settings("production")
    decided = []

    async def job() -> None:
        decided.append(await decide_now(settings, secrets_of(stack), at=START))

    assert await steps.run(job)
    for number in range(steps.taken):
        for before in (True, False):
            await owner.execute("delete from public.keep_alive_decisions")
            assert not await steps.run(job, kill_at=number, before=before)
            assert await steps.run(job)
            rows = await owner.fetch("select at, reason from public.keep_alive_decisions")
            assert [tuple(row) for row in rows] == [(START, decided[0].why)]
    assert all(one == decided[0] for one in decided)


async def test_late_settlement_killed_at_every_step(
    settings: Settings, data: Database, people: People, alice: Caller, owner: asyncpg.Connection, steps: Steps,
    tmp_path: Path,
):  # fmt: skip
    """The server that noted the use, and the ones after it that book it, die one after another."""
    ledger = Ledger(data, people.acting, WIDE)

    def server(directory: Path) -> DegradedMode:
        return DegradedMode(settings.availability.degraded, ledger, UsageOutbox(directory, 100))

    async def noted(directory: Path, *, kill_at: int | None = None, before: bool = True) -> bool:
        degraded = server(directory)
        degraded.verified(alice)

        async def job() -> None:
            one = work(0.01, expires_in_s=0.0)
            await degraded.reserve(alice, one)
            await degraded.settle(one.id, Outcome(0.07))

        return await steps.run(job, kill_at=kill_at, before=before)

    async def booked(directory: Path) -> tuple[int, Decimal]:
        assert await server(directory).drain() == 0
        count, usd = await owner.fetchrow("select count(*), coalesce(sum(cost_usd), 0) from public.generations")
        spent = await owner.fetchval("select coalesce(sum(spent_usd), 0) from public.budgets where period = 'month'")
        assert spent == usd
        await owner.execute("delete from public.generations")
        await owner.execute("delete from public.budgets")
        return count, usd

    # Begun and ended are two notes: without the second nothing is known of what it cost.
    expected = {(0, True): (0, 0), (0, False): (1, 0), (1, True): (1, 0), (1, False): (1, Decimal("0.07"))}
    for (number, before), result in expected.items():
        directory = tmp_path / f"noting-{number}-{before}"
        assert not await noted(directory, kill_at=number, before=before)
        assert await booked(directory) == result

    directory = tmp_path / "booking"
    assert await noted(directory)
    assert await steps.run(server(directory).drain)
    await booked(directory)
    for number in range(2):
        for before in (True, False):
            assert await noted(directory)
            assert await noted(directory)
            assert not await steps.run(server(directory).drain, kill_at=number, before=before)
            assert await booked(directory) == (2, Decimal("0.14"))
