"""Jobs that are killed at every step, before and after it took effect: nothing is lost, told or counted twice."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from functions.alert_deliveries import Outbox
from functions.billing import BilledItem, reconcile
from functions.cache import FileStore
from functions.database import Database
from functions.maintenance import run_job
from functions.monthly_report import report_last_month
from functions.watch import watch
from infra.settings import Settings
from tests.data_fixtures import People
from tests.database_fixtures import Stack
from tests.functions.killing import Steps
from tests.functions.test_maintenance import secrets_of
from tests.functions.webhook_receivers import Received, Receivers, receivers

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
AFTER_THE_LEASE = timedelta(minutes=6)
RULES = ("error-rate", "latency-p95")


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


@pytest.fixture
async def listening() -> AsyncIterator[Receivers]:
    async with receivers() as each:
        yield each


async def generations(owner: asyncpg.Connection, at: datetime, *, bad: bool) -> None:
    await owner.executemany(
        "insert into public.generations (endpoint, environment, model, state, estimated_usd, cost_usd, latency_s,"
        " error, finish_reason, created_at, expires_at, settled_at)"
        " values ('generate', 'local', 'm', 'settled', 1, 0.01, $1, $2, 'stop', $3, $3, $3)",
        [(9.0 if bad else 1.0, "EngineUnavailable" if bad and n % 2 else None, at) for n in range(40)],
    )


async def test_the_alert_job_killed_at_every_step(
    stack: Stack, data: Database, settings: Settings, owner: asyncpg.Connection, steps: Steps, listening: Receivers,
    tmp_path: Path,
):  # fmt: skip
    alerts = listening.settings(settings.alerts)
    outages = FileStore(tmp_path, max_bytes=1 << 20)
    clock = START

    def job() -> Awaitable[None]:
        return watch(
            data, stack.service_role_key, alerts, listening.secrets, outages, environment="local", clock=lambda: clock
        )

    await generations(owner, START - timedelta(minutes=1), bad=True)
    await generations(owner, START + timedelta(minutes=30), bad=False)
    assert await steps.run(job)
    whole = steps.taken
    assert whole > 15, "two alerts, three receivers"
    for phase in ("opening", "resolving"):
        for number in range(whole):
            for before in (True, False):
                await owner.execute("delete from public.alerts")
                listening.received.clear()
                clock = START
                assert await steps.run(job, kill_at=number if phase == "opening" else None, before=before) == (
                    phase == "resolving"
                )
                clock += AFTER_THE_LEASE
                assert await steps.run(job)
                clock = START + timedelta(minutes=31)
                await steps.run(job, kill_at=number if phase == "resolving" else None, before=before)
                clock += AFTER_THE_LEASE
                assert await steps.run(job)
                await told_once(owner, listening, (phase, number, before))


async def told_once(owner: asyncpg.Connection, listening: Receivers, where: Any) -> None:
    rows = await owner.fetch("select kind, dedup_key, resolved_at from public.alerts order by kind")
    assert [row["kind"] for row in rows] == list(RULES), where
    assert all(row["resolved_at"] for row in rows), where
    assert await owner.fetchval("select count(*) from public.alert_deliveries where state <> 'delivered'") == 0, where
    expected = {(row["dedup_key"], action) for row in rows for action in ("trigger", "resolve")}
    incidents = {(one.body["dedup_key"], one.body["event_action"]) for one in listening.at("/pagerduty")}
    assert incidents == expected, where
    documents = {one.headers["webhook-id"]: one.raw for one in listening.at("/webhook")}
    assert set(documents) == {f"{key}:{action}" for key, action in expected}, where
    assert all(documents[one.headers["webhook-id"]] == one.raw for one in listening.at("/webhook")), where
    shown = Counter(one.body["text"] for one in listening.at("/slack") if "sent again" not in context_of(one))
    # Where the first attempt died before it was posted, the one message that arrived is the second.
    assert len({one.body["text"] for one in listening.at("/slack")}) == len(expected), where
    assert set(shown.values()) <= {1}, where
    assert len(listening.at("/slack")) <= len(expected) + 1, where


def context_of(shown_in_slack: Received) -> str:
    text: str = shown_in_slack.body["blocks"][-1]["elements"][0]["text"]
    return text


async def test_no_cost_is_counted_twice(stack: Stack, data: Database, owner: asyncpg.Connection, steps: Steps):
    async def report(since: datetime) -> list[BilledItem]:
        hours = [START - timedelta(hours=n) for n in range(1, 30)]
        tags = {"environment": "local"}
        return [
            BilledItem("ap-1", at, Decimal("0.37"), "d", tags, {"CPU": Decimal("0.37")}) for at in hours if at >= since
        ]

    def job() -> Awaitable[int]:
        return reconcile(data, stack.service_role_key, report, environment="local", at=START)

    assert await steps.run(job)
    for number in range(steps.taken):
        for before in (True, False):
            await owner.execute("delete from public.billed_costs")
            assert not await steps.run(job, kill_at=number, before=before)
            assert await steps.run(job)
            assert await steps.run(job)
            assert await owner.fetchval("select sum(cost_usd) from public.billed_costs") == Decimal("0.37") * 29


async def test_the_nightly_job_killed_at_every_step(
    stack: Stack, settings: Settings, people: People, owner: asyncpg.Connection, steps: Steps
):
    user = uuid.UUID((await people.new()).user_id)
    now = await owner.fetchval("select now()")

    def job() -> Awaitable[dict[str, Any]]:
        return run_job("nightly", secrets_of(stack), settings.maintenance)

    async def begin() -> None:
        for table in ("sessions", "daily_costs", "rolled_days", "generations", "analytics_events", "job_runs"):
            await owner.execute(f"delete from public.{table}")  # noqa: S608 - our own words
        for days in (3, 4):
            await generations(owner, now - timedelta(days=days), bad=True)
        await owner.execute("insert into public.sessions (user_id, prompt) values ($1, 'idle'), ($1, 'used')", user)
        await owner.execute("alter table public.sessions disable trigger user")
        await owner.execute("update public.sessions set updated_at = now() - interval '31 days' where prompt = 'idle'")
        await owner.execute("alter table public.sessions enable trigger user")
        await owner.execute(
            "insert into public.analytics_events (event_type, created_at) values ('old', now() - interval '91 days')"
        )

    await begin()
    assert await steps.run(job)
    for number in range(steps.taken):
        for before in (True, False):
            await begin()
            assert not await steps.run(job, kill_at=number, before=before)
            await owner.execute("update public.job_runs set started_at = now() - interval '1 day'")
            assert await steps.run(job)
            where = (number, before)
            assert await owner.fetchval("select sum(cost_usd) from public.daily_costs") == Decimal("0.80"), where
            assert await owner.fetchval("select sum(generations) from public.daily_costs") == 80, where
            statuses = await owner.fetch("select prompt, status, version from public.sessions order by prompt")
            assert [tuple(row) for row in statuses] == [("idle", "abandoned", 2), ("used", "active", 1)], where
            assert await owner.fetchval("select count(*) from public.analytics_events where event_type = 'old'") == 0
            assert await owner.fetchval("select state from public.job_runs order by id desc limit 1") == "succeeded"


async def test_a_month_is_reported_and_told_once(
    stack: Stack, data: Database, settings: Settings, owner: asyncpg.Connection, steps: Steps, listening: Receivers
):
    at = datetime(2026, 12, 1, 3, tzinfo=UTC)
    clock = at
    await generations(owner, START, bad=True)

    async def job() -> None:
        outbox = Outbox(
            data, stack.service_role_key, listening.settings(settings.alerts), listening.secrets, environment="local",
            clock=lambda: clock,
        )  # fmt: skip
        await report_last_month(data, stack.service_role_key, settings, outbox, at=clock)
        await outbox.empty()

    assert await steps.run(job)
    for number in range(steps.taken):
        for before in (True, False):
            await owner.execute("delete from public.alerts")
            await owner.execute("delete from public.monthly_reports")
            listening.received.clear()
            clock = at
            assert not await steps.run(job, kill_at=number, before=before)
            clock = at + AFTER_THE_LEASE
            assert await steps.run(job)
            assert await owner.fetchval("select count(*) from public.monthly_reports") == 1
            assert {one.headers["webhook-id"] for one in listening.at("/webhook")} == {
                "local:monthly-report:2026-11:trigger"
            }
    report = listening.at("/webhook")[0].body["data"]["details"]
    assert (report["usage"]["generations"], report["usage"]["errors"]) == (40, 20)
    assert (report["month"], report["costs"]["totals"]["total_usd"]) == ("2026-11", "0.4")
    assert len(report["days"]) == 30
    assert report["scale_triggers"]["decision"] == "no-go"
