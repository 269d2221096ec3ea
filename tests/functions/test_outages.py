"""The database is away: that is told without it, once, and written into it when it is back."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from functions.cache import FileStore
from functions.database import Database
from functions.watch import watch
from infra.settings import Settings
from tests.database_fixtures import Stack
from tests.functions.webhook_receivers import Receivers, receivers

START = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def listening() -> AsyncIterator[Receivers]:
    async with receivers() as each:
        yield each


async def no_time(_seconds: float) -> None:
    """The second look comes at once."""


async def test_an_outage_is_told_once_and_resolved_when_it_is_over(
    stack: Stack, data: Database, settings: Settings, listening: Receivers, tmp_path: Path
):
    away = Database("http://127.0.0.1:9", stack.anon_key, timeout_s=2)
    store = FileStore(tmp_path, max_bytes=1 << 20)
    alerts = listening.settings(settings.alerts)

    async def watched(database: Database, minutes: int) -> None:
        await watch(
            database, stack.service_role_key, alerts, listening.secrets, store, environment="local",
            clock=lambda: START + timedelta(minutes=minutes), sleep=no_time,
        )  # fmt: skip

    listening.status = lambda path: 500 if path == "/slack" else 200
    await watched(away, 0)
    await watched(away, 5)
    assert [len(listening.at(path)) for path in ("/pagerduty", "/webhook", "/slack")] == [1, 1, 0]
    listening.status = lambda _path: 200
    await watched(away, 10)
    assert [len(listening.at(path)) for path in ("/pagerduty", "/webhook", "/slack")] == [1, 1, 1]
    await away.close()
    for minutes in (15, 20):
        await watched(data, minutes)
    owner = await asyncpg.connect(stack.dsn)
    rows = await owner.fetch("select kind, severity, created_at, resolved_at from public.alerts")
    await owner.close()
    assert [tuple(row) for row in rows] == [("database-unreachable", "critical", START, START + timedelta(minutes=15))]
    events = [one.body["event_action"] for one in listening.at("/pagerduty")]
    assert events == ["trigger", "resolve"]
    assert len({one.body["dedup_key"] for one in listening.at("/pagerduty")}) == 1
    assert [one.body["type"] for one in listening.at("/webhook")] == ["alert.opened", "alert.resolved"]
    assert ["Resolved" in one.body["text"] for one in listening.at("/slack")] == [False, True]


async def test_whoever_could_not_be_told_is_told_afterwards(
    stack: Stack, data: Database, settings: Settings, listening: Receivers, tmp_path: Path
):
    away = Database("http://127.0.0.1:9", stack.anon_key, timeout_s=2)
    store = FileStore(tmp_path, max_bytes=1 << 20)
    alerts = listening.settings(settings.alerts)
    listening.status = lambda path: 500 if path == "/slack" else 200
    for database, minutes in ((away, 0), (data, 5)):
        if database is data:
            listening.status = lambda _path: 200
        at = START + timedelta(minutes=minutes)
        await watch(
            database, stack.service_role_key, alerts, listening.secrets, store, environment="local",
            clock=lambda at=at: at, sleep=no_time,
        )  # fmt: skip
    await away.close()
    assert ["Resolved" in one.body["text"] for one in listening.at("/slack")] == [False, True]
    assert [one.body["type"] for one in listening.at("/webhook")] == ["alert.opened", "alert.resolved"]


async def test_one_answer_that_did_not_come_wakes_nobody(
    stack: Stack, data: Database, settings: Settings, listening: Receivers, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    original = Database.call
    failed = False

    async def once(self: Database, function: str, *arguments: object, **named: object) -> object:
        nonlocal failed
        if function == "alert_figures" and not failed:
            failed = True
            unreachable = Database("http://127.0.0.1:9", stack.anon_key, timeout_s=2)
            try:
                return await original(unreachable, function)
            finally:
                await unreachable.close()
        return await original(self, function, *arguments, **named)  # type: ignore[arg-type] # passed on as they came

    monkeypatch.setattr(Database, "call", once)
    store = FileStore(tmp_path, max_bytes=1 << 20)
    await watch(
        data, stack.service_role_key, listening.settings(settings.alerts), listening.secrets, store,
        environment="local", clock=lambda: START, sleep=no_time,
    )  # fmt: skip
    assert failed
    assert listening.received == []
