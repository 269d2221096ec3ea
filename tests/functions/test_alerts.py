"""Rules judged and news delivered, against the real database and real receivers."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from functions.alert_messages import AlertNews, ClaimedDelivery, pagerduty_event, slack_blocks
from functions.alerts import Figure, figures_of, observe
from functions.cache import FileStore
from functions.database import Database
from functions.watch import watch
from infra.operation_settings import AlertRule, Measure
from infra.settings import AlertSecrets, Settings
from tests.database_fixtures import Stack
from tests.functions.webhook_receivers import Receivers, receivers

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
MEASURES: tuple[Measure, ...] = Measure.__args__  # type: ignore[attr-defined] # a Literal's


@pytest.fixture
async def listening() -> AsyncIterator[Receivers]:
    async with receivers() as each:
        yield each


@pytest.fixture
async def owner(stack: Stack) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.dsn)
    yield connection
    await connection.close()


def rule(**more: Any) -> AlertRule:
    given = {"name": "r", "title": "R", "measure": "error_rate", "severity": "critical", "clear_at": 0.03}
    return AlertRule.model_validate(given | more)


def seen(a_rule: AlertRule, value: float | None, rests_on: int | None = 100) -> tuple[bool, bool] | None:
    figures = {measure: Figure(value, "f", rests_on=rests_on) for measure in MEASURES}
    observed = observe([a_rule], figures)
    return (observed[0].crossed, observed[0].cleared) if observed else None


def test_between_the_threshold_and_the_clearing_nothing_changes():
    over = rule(above=0.05)
    assert [seen(over, value) for value in (0.02, 0.03, 0.04, 0.05, 0.06)] == [
        (False, True), (False, True), (False, False), (False, False), (True, False)
    ]  # fmt: skip
    under = rule(below=0.1, clear_at=0.15)
    assert [seen(under, value) for value in (0.05, 0.1, 0.12, 0.15, 0.2)] == [
        (True, False), (False, False), (False, False), (False, True), (False, True)
    ]  # fmt: skip


def test_what_cannot_be_known_is_not_judged():
    few = rule(above=0.05, at_least=20)
    assert seen(few, 1.0, rests_on=19) is None
    assert seen(few, 1.0, rests_on=20) == (True, False)
    assert seen(few, None) is None


@pytest.mark.parametrize("wrong", [{}, {"above": 1, "below": 1}, {"above": 0.01}, {"below": 0.1}])
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, float]):
    with pytest.raises(ValueError, match=r"above or below|clear_at"):
        rule(**wrong)


async def test_every_measure_has_its_figure(stack: Stack, data: Database, settings: Settings):
    arguments = {"p_environment": "local", "p_at": START.isoformat(), "p_expected": {"nightly": 60}}
    answer = await data.call("alert_figures", arguments, token=stack.service_role_key)
    figures = figures_of(answer, {}, at=START)
    assert figures.keys() == set(MEASURES) == {a_rule.measure for a_rule in settings.alerts.rules}
    unknown = {"error_rate", "latency_p95_s", "cache_hit_rate", "retry_rate", "cost_month_forecast_usd"}
    assert {measure for measure, figure in figures.items() if figure.value is None} == unknown


async def failed_job(owner: asyncpg.Connection, state: str) -> None:
    await owner.execute(
        "insert into public.job_runs (job, state, started_at, finished_at) values ('nightly', $1, now(), now())", state
    )


class Watch:
    """The job at minutes after the start."""

    def __init__(
        self, stack: Stack, data: Database, settings: Settings, listening: Receivers, store: FileStore
    ) -> None:
        self.parts = (stack, data, settings, listening, store)

    async def at(self, minutes: float, *, secrets: AlertSecrets | None = None, **changes: Any) -> None:
        stack, data, settings, listening, store = self.parts
        await watch(
            data, stack.service_role_key, listening.settings(settings.alerts, **changes),
            secrets or listening.secrets, store, environment="local",
            clock=lambda: START + timedelta(minutes=minutes),
        )  # fmt: skip


@pytest.fixture
def watched(stack: Stack, data: Database, settings: Settings, listening: Receivers, tmp_path: Path) -> Watch:
    return Watch(stack, data, settings, listening, FileStore(tmp_path, max_bytes=1 << 20))


async def test_a_failed_job_is_told_and_its_next_success_resolves_it(
    watched: Watch, owner: asyncpg.Connection, listening: Receivers
):
    await failed_job(owner, "failed")
    for minutes in (0, 5, 10):
        await watched.at(minutes)
    assert [len(listening.at(path)) for path in ("/slack", "/pagerduty", "/webhook")] == [1, 1, 1]
    told = listening.at("/webhook")[0].body
    assert told["type"] == "alert.opened"
    assert told["data"]["message"] == "Scheduled jobs that failed: nightly, over 0"
    await failed_job(owner, "succeeded")
    await watched.at(15)
    assert [one.body["event_action"] for one in listening.at("/pagerduty")] == ["trigger", "resolve"]
    await failed_job(owner, "failed")
    await watched.at(20)
    keys = [one.body["dedup_key"] for one in listening.at("/pagerduty")]
    assert keys[0] == keys[1] != keys[2], "another crossing is another incident"


async def test_a_delivery_that_fails_comes_again_later_and_later_and_is_given_up_in_the_end(
    watched: Watch, owner: asyncpg.Connection, listening: Receivers
):
    await failed_job(owner, "failed")
    listening.status = lambda path: 503 if path == "/slack" else 200
    attempts = []
    for minute in range(120):
        await watched.at(minute, max_attempts=6, first_retry_s=60, longest_retry_s=960)
        attempts.append(
            await owner.fetchval("select attempts from public.alert_deliveries where destination = 'slack'")
        )
    gaps = [attempts.index(number + 1) - attempts.index(number) for number in range(1, 6)]
    assert gaps == sorted(gaps)
    assert gaps[0] == 1
    assert gaps[-1] >= 12
    row = await owner.fetchrow(
        "select state, attempts, last_error from public.alert_deliveries where destination = 'slack'"
    )
    assert tuple(row) == ("abandoned", 6, "HTTP 503: as asked")
    assert len(listening.at("/webhook")) == 1


async def test_a_receiver_that_comes_back_is_told_once_and_in_order(
    watched: Watch, owner: asyncpg.Connection, listening: Receivers
):
    await failed_job(owner, "failed")
    listening.status = lambda _path: 500
    await watched.at(0)
    await failed_job(owner, "succeeded")
    await watched.at(5)
    assert listening.received == []
    listening.status = lambda _path: 200
    for minutes in (70, 140):
        await watched.at(minutes)
    for path in ("/pagerduty",):
        assert [one.body["event_action"] for one in listening.at(path)] == ["trigger", "resolve"]
    assert [one.body["type"] for one in listening.at("/webhook")] == ["alert.opened", "alert.resolved"]
    assert "sent again" in listening.at("/slack")[0].body["blocks"][-1]["elements"][0]["text"]


async def test_without_a_destination_alerts_are_kept_and_nobody_is_told(
    watched: Watch, owner: asyncpg.Connection, listening: Receivers
):
    await failed_job(owner, "failed")
    await watched.at(0, secrets=AlertSecrets())
    assert await owner.fetchval("select count(*) from public.alerts") == 1
    assert listening.received == []


async def test_what_was_seen_before_the_last_change_is_not_believed(
    stack: Stack, data: Database, owner: asyncpg.Connection
):
    async def observed(minutes: int, *, crossed: bool) -> None:
        seen_then = {
            "rule": "r", "scope": None, "severity": "info", "message": "m", "details": {}, "crossed": crossed,
            "cleared": not crossed,
        }  # fmt: skip
        arguments = {
            "p_environment": "local", "p_at": (START + timedelta(minutes=minutes)).isoformat(),
            "p_observations": [seen_then], "p_destinations": {},
        }  # fmt: skip
        await data.call("observe_alerts", arguments, token=stack.service_role_key)

    await observed(0, crossed=True)
    await observed(10, crossed=False)
    await observed(5, crossed=True)
    assert await owner.fetchval("select count(*) from public.alerts where resolved_at is null") == 0


def test_messages_mention_nobody_and_are_of_a_length():
    news = AlertNews(
        dedup_key="k", environment="<!channel>", rule="r", severity="critical", message="<@U1> & co " * 1000,
        details={"value": 1, "nested": {}}, opened_at=START, resolved_at=None,
    )  # fmt: skip
    delivery = ClaimedDelivery(id=1, destination="slack", action="trigger", attempt=1, alert=news)
    blocks = slack_blocks(delivery)
    assert "<" not in str(blocks)
    assert len(blocks["blocks"][0]["text"]["text"]) <= 3000
    assert [field["text"] for field in blocks["blocks"][1]["fields"]] == ["*value*\n1"]
    assert len(pagerduty_event(delivery, "k")["payload"]["summary"]) == 1024
