"""The scheduled decision, from the real database: what it sees, what it says, what is kept of it."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from functions.callers import Caller
from functions.database import Database
from functions.keep_alive_job import decide_now
from functions.operation import Operation
from infra.settings import Secrets, Settings, WarmHours, load_settings
from tests.data_fixtures import People
from tests.database_fixtures import Stack
from tests.functions.test_maintenance import secrets_of

NOW = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)  # a Friday
PRODUCTION = load_settings("production")


def production(**keep_alive: Any) -> Settings:
    return PRODUCTION.model_copy(update={"keep_alive": PRODUCTION.keep_alive.model_copy(update=keep_alive)})


async def insert(stack: Stack, user_id: str, times: list[datetime], **columns: Any) -> None:
    owner = await asyncpg.connect(stack.dsn)
    await owner.executemany(
        "insert into public.generations (user_id, endpoint, environment, model, gpu, state, cache_hit, estimated_usd,"
        " gpu_seconds, created_at, expires_at, settled_at)"
        " values ($1, 'generate', $2, 'm', 'H100', $3, $4, 1, 3, $5, $5, $6)",
        [
            (
                uuid.UUID(user_id), columns.get("environment", "production"), columns.get("state", "settled"),
                columns.get("cache_hit", False), at, at + timedelta(seconds=3),
            )
            for at in times
        ],
    )  # fmt: skip
    await owner.close()


def every(minutes: float, count: int, until: datetime = NOW) -> list[datetime]:
    return [until - timedelta(minutes=minutes * n + 1) for n in range(count)]


async def test_it_learns_from_what_the_database_has_seen(stack: Stack, alice: Caller):
    await insert(stack, alice.user_id, every(30, 40))
    decision = await decide_now(production(), secrets_of(stack), at=NOW)
    assert (decision.min_containers, decision.scaledown_window_s) == (0, 2)
    assert "39 seen" in decision.why


async def test_only_requests_that_an_engine_of_this_environment_worked_on_count(stack: Stack, alice: Caller):
    await insert(stack, alice.user_id, every(30, 40), environment="staging")
    await insert(stack, alice.user_id, every(30, 40), cache_hit=True)
    await insert(stack, alice.user_id, every(30, 40), state="released")
    await insert(stack, alice.user_id, every(30, 40, NOW - timedelta(days=29)))
    await insert(stack, alice.user_id, every(30, 3))
    decision = await decide_now(production(), secrets_of(stack), at=NOW)
    assert "as 2 idle times are too few to learn from" in decision.why


async def test_a_request_that_is_running_is_no_idle_time(stack: Stack, alice: Caller):
    await insert(stack, alice.user_id, [NOW - timedelta(minutes=8)], state="reserved")
    await insert(stack, alice.user_id, every(3, 2), state="settled")
    decision = await decide_now(production(), secrets_of(stack), at=NOW)
    assert "as 0 idle times" in decision.why


async def test_what_idling_has_cost_today_counts_against_the_budget(stack: Stack, data: Database, alice: Caller):
    await insert(stack, alice.user_id, every(1, 60))
    assert (await decide_now(production(), secrets_of(stack), at=NOW)).scaledown_window_s == 60
    for hours in (13, 3, 2.75, 2.5):
        sample = {
            "p_environment": "production", "p_gpu": "H100", "p_containers": 4, "p_usd_per_hour": 2.5,
            "p_at": (NOW - timedelta(hours=hours)).isoformat(),
        }  # fmt: skip
        await data.call("record_engine_sample", sample, token=stack.service_role_key)
    decision = await decide_now(production(daily_warm_budget_usd=7.5), secrets_of(stack), at=NOW)
    assert (decision.min_containers, decision.scaledown_window_s) == (0, 2)
    assert decision.why.startswith("7.50 of 7.50 USD for idling are spent today, which cuts: 60 s of idling")
    assert (
        await decide_now(production(daily_warm_budget_usd=7.52), secrets_of(stack), at=NOW)
    ).scaledown_window_s == 28


async def test_operators_see_each_change_and_its_reason(stack: Stack, data: Database, alice: Caller, people: People):
    operator = await people.new(operator=True)
    await insert(stack, alice.user_id, every(30, 40))
    for minutes in (0, 5, 10):
        decided = await decide_now(production(), secrets_of(stack), at=NOW + timedelta(minutes=minutes))
    await decide_now(production(policy="timetable"), secrets_of(stack), at=NOW + timedelta(minutes=15))
    arguments = {"p_days": 7, "p_at": (NOW + timedelta(hours=1)).isoformat()}
    rows = await data.call("list_keep_alive", arguments, token=operator.token)
    assert [(row["at"], row["min_containers"], row["scaledown_window_s"]) for row in rows] == [
        ((NOW + timedelta(minutes=15)).isoformat(), 0, 300), (NOW.isoformat(), 0, 2)
    ]  # fmt: skip
    assert "idle time" in decided.why
    now = await decide_now(production(), secrets_of(stack), at=datetime.now(UTC))
    shown, *_ = await Operation(data).keep_alive(operator, days=1)
    assert (shown.environment, shown.reason) == ("production", now.why)


async def test_a_decision_may_be_made_again(stack: Stack):
    first = await decide_now(production(), secrets_of(stack), at=NOW)
    assert await decide_now(production(), secrets_of(stack), at=NOW) == first


async def test_without_a_database_it_is_the_timetables(stack: Stack):
    nobody = Secrets.model_validate({**secrets_of(stack).model_dump(), "supabase_url": "http://127.0.0.1:9"})
    hours = WarmHours(days=[4], from_hour=8, until_hour=18, containers=2)
    decision = await decide_now(production(warm_hours=[hours]), nobody, at=NOW)
    assert (decision.min_containers, decision.scaledown_window_s) == (2, PRODUCTION.scaling.scaledown_window_s)
    assert "the database does not answer" in decision.why


async def test_old_decisions_are_forgotten(stack: Stack, data: Database):
    await decide_now(production(), secrets_of(stack), at=datetime.now(UTC) - timedelta(days=91))
    await decide_now(production(), secrets_of(stack), at=datetime.now(UTC))
    for forgotten in (1, 0):
        assert await data.call("forget_keep_alive", {"p_days": 90}, token=stack.service_role_key) == forgotten


@pytest.mark.parametrize("environment", ["production", "staging", "development", "local"])
async def test_every_environment_can_decide(stack: Stack, alice: Caller, environment: str):
    settings = load_settings(environment)
    await insert(stack, alice.user_id, every(10, 50), environment=environment)
    assert (await decide_now(settings, secrets_of(stack), at=NOW)).scaledown_window_s in range(2, 3601)
