"""A day of mixed traffic in seconds, by an injected clock: every figure against a calculation that shares no code."""

import random
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from functions.billing import BilledItem, reconcile
from functions.cache import FileStore
from functions.callers import Caller
from functions.database import Database
from functions.forecast import forecast
from functions.maintenance import run_job
from functions.operation import Operation
from functions.watch import watch
from infra.settings import load_settings
from tests.data_fixtures import People
from tests.database_fixtures import Stack
from tests.functions.test_maintenance import secrets_of
from tests.functions.webhook_receivers import Receivers, receivers

DAY = date(2026, 11, 20)
MIDNIGHT = datetime(2026, 11, 20, tzinfo=UTC)
TICK = timedelta(minutes=5)
ENVIRONMENT = "production"
USD_PER_HOUR = Decimal("2.5")
BILL_LAG_H = 3
CENT = Decimal("0.01")
ENDPOINTS = ("generate", "ir", "code")


@dataclass(frozen=True)
class Generation:
    created_at: datetime
    latency_s: int
    user: str
    key: str | None
    endpoint: str
    error: str | None
    cached_tokens: int
    usd: Decimal

    @property
    def settled_at(self) -> datetime:
        return self.created_at + timedelta(seconds=self.latency_s)


@dataclass
class Day:
    """What happened, for the independent calculation."""

    generations: list[Generation] = field(default_factory=list)
    containers: list[int] = field(default_factory=list)  # one for each tick
    before: dict[date, Decimal] = field(default_factory=dict)

    def between(self, start: datetime, end: datetime) -> list[Generation]:
        return [g for g in self.generations if start <= g.created_at < end]

    def idle_usd(self, hour: int, until_tick: int) -> Decimal:
        """Second by second: engines that are up while no generation runs, by as many as are not the one that works."""
        busy = bytearray(86_400 * 2)
        for g in self.generations:
            end = int((g.settled_at - MIDNIGHT).total_seconds())
            for second in range(max(end - g.latency_s, 0), end):
                busy[second] = 1
        idle = 0
        warm = 0
        working = 0
        for tick in range(hour * 12, min(hour * 12 + 12, until_tick)):
            warm += self.containers[tick] * 300
        for second in range(hour * 3600, (hour + 1) * 3600):
            working += busy[second]
        idle = warm - min(warm, working)
        return Decimal(idle) * USD_PER_HOUR / 3600

    def bill(self, hour: int) -> Decimal:
        """What the platform says: all engines' time, and something for the web tier."""
        return sum(
            (Decimal(c) * USD_PER_HOUR / 12 for c in self.containers[hour * 12 : hour * 12 + 12]), Decimal("0.05")
        )


def traffic(random_: random.Random, tick: int, users: list[str], keys: dict[str, str]) -> Iterable[Generation]:
    """Office hours, a bad hour with errors, a slow one, and a costly evening."""
    hour = tick / 12
    many = 14 if 8 <= hour < 18 else 3
    for _ in range(random_.randint(many // 2, many)):
        user = random_.choice(users)
        failing = 10 <= hour < 11 and random_.random() < 0.3
        slow = 15 <= hour < 15.75
        latency = random_.randint(6, 12) if slow else random_.randint(1, 4)
        usd = Decimal(random_.randint(100_000, 90_000_000)) / 10**8
        yield Generation(
            created_at=MIDNIGHT + tick * TICK + timedelta(seconds=random_.randint(0, 280)),
            latency_s=latency,
            user=user,
            key=keys.get(user) if random_.random() < 0.5 else None,
            endpoint=random_.choice(ENDPOINTS),
            error="EngineUnavailable" if failing else None,
            cached_tokens=random_.choice([0, 128]),
            usd=(usd * 4 if hour >= 20 else usd / 10).quantize(Decimal("1e-8")),
        )


class Story:
    """The alerts that there should be: thresholds and hysteresis once more, in plain words, over plain lists."""

    def __init__(self) -> None:
        self.open: dict[str, datetime] = {}
        self.closed: list[tuple[str, datetime, datetime]] = []

    def see(self, at: datetime, rule: str, value: float | None, over: float, clear: float) -> None:
        if value is None:
            return
        if rule in self.open:
            if value <= clear:
                self.closed.append((rule, self.open.pop(rule), at))
        elif value > over:
            self.open[rule] = at


def expected_at(day: Day, story: Story, at: datetime, tick: int, billed_hours: int) -> None:
    recent = day.between(at - timedelta(seconds=900), at)
    ended_well = sorted(g.latency_s for g in recent if g.error is None)
    if len(recent) >= 20:
        story.see(at, "error-rate", sum(g.error is not None for g in recent) / len(recent), 0.05, 0.03)
    if len(ended_well) >= 20:
        story.see(at, "latency-p95", percentile(ended_well, 0.95), 5, 4)
    today = [g for g in day.generations if g.created_at <= at]
    story.see(at, "generation-cost-day", float(sum(g.usd for g in today)), 100, 95)
    costs = float(cost_so_far(day, tick, billed_hours))
    story.see(at, "cost-day", costs, 200, 190)
    daily = {d: float(c) for d, c in day.before.items()} | {DAY: costs}
    month = sum(cost for d, cost in daily.items() if d.month == DAY.month)
    for limit, clear in ((500, 490), (1000, 980), (2000, 1960)):
        story.see(at, f"cost-month-{limit}", month, limit, clear)
    expected = forecast(daily, at=at).forecast_usd
    for limit, clear in ((500, 450), (1000, 900), (2000, 1800)):
        story.see(at, f"forecast-month-{limit}", expected, limit, clear)


def cost_so_far(day: Day, tick: int, billed_hours: int) -> Decimal:
    """At the beginning of a tick: bills as far as they go, then estimates and idle time."""
    total = sum((day.bill(hour) for hour in range(billed_hours)), Decimal(0))
    for hour in range(billed_hours, tick // 12 + 1):
        start = MIDNIGHT + timedelta(hours=hour)
        total += sum((g.usd for g in day.between(start, start + timedelta(hours=1))), Decimal(0))
        total += day.idle_usd(hour, tick)
    return total


def percentile(sorted_values: list[int], share: float) -> float:
    place = share * (len(sorted_values) - 1)
    low = int(place)
    high = min(low + 1, len(sorted_values) - 1)
    return sorted_values[low] + (sorted_values[high] - sorted_values[low]) * (place - low)


@dataclass
class Lived:
    day: Day
    story: Story
    receivers: Receivers
    owner: asyncpg.Connection
    stack: Stack
    data: Database
    operator: Caller


@pytest.fixture
async def lived(stack: Stack, data: Database, people: People, tmp_path: Path) -> AsyncIterator[Lived]:
    random_ = random.Random(20_261_120)
    owner = await asyncpg.connect(stack.dsn)
    users = [(await people.new()).user_id for _ in range(3)]
    keys = {users[0]: str(uuid.uuid4())}
    await owner.execute(
        "insert into public.api_keys (id, user_id, name, key_hash, prefix, scopes)"
        " values ($1, $2, 'n', sha256('k'), 'lsk_', '{read}')",
        uuid.UUID(keys[users[0]]), uuid.UUID(users[0]),
    )  # fmt: skip
    day, story = Day(), Story()
    for back in range(1, 20):
        spent = Decimal(random_.randint(1500, 2500)) / 100
        day.before[DAY - timedelta(days=back)] = spent
        at = MIDNIGHT - timedelta(days=back) + timedelta(hours=12)
        await store(owner, [Generation(at, 60, users[0], None, "generate", None, 0, spent)])
    clock = MIDNIGHT

    def read_clock() -> datetime:
        return clock

    settings = load_settings(ENVIRONMENT)
    outages = FileStore(tmp_path, max_bytes=1 << 20)
    key = stack.service_role_key

    async def report(start: datetime) -> list[BilledItem]:
        """The one call of the platform's: the hours of this day that are billed by now, and somebody else's app."""
        ready = max(0, int((clock - MIDNIGHT).total_seconds() // 3600) - BILL_LAG_H)
        hours = [MIDNIGHT + timedelta(hours=hour) for hour in range(ready)]
        ours = {"environment": ENVIRONMENT}
        return [
            *(
                BilledItem("ap-1", at, day.bill(at.hour), "lift-sys", ours, {"H100": day.bill(at.hour)})
                for at in hours if at >= start
            ),
            *(BilledItem("ap-2", at, Decimal(99), "another's", {}, {}) for at in hours),
        ]  # fmt: skip

    async with receivers() as listening:
        alerts = listening.settings(settings.alerts)
        billed_hours = 0
        for tick in range(288):
            clock = MIDNIGHT + tick * TICK
            if tick % 12 == 1:
                await reconcile(data, key, report, environment=ENVIRONMENT, at=clock)
                billed_hours = max(0, tick // 12 - BILL_LAG_H)
            day.containers.append(0 if tick < 60 else 1 + (tick % 24 >= 12))
            await watch(data, key, alerts, listening.secrets, outages, environment=ENVIRONMENT, clock=read_clock)
            expected_at(day, story, clock, tick, billed_hours)
            await data.call(
                "record_engine_sample",
                {
                    "p_environment": ENVIRONMENT, "p_gpu": "H100", "p_containers": day.containers[-1],
                    "p_usd_per_hour": str(USD_PER_HOUR), "p_at": clock.isoformat(),
                },
                token=key,
            )  # fmt: skip
            made = list(traffic(random_, tick, users, keys))
            day.generations += made
            await store(owner, made)
        operator = await people.new(operator=True)
        yield Lived(day, story, listening, owner, stack, data, operator)
    await owner.close()


async def store(owner: asyncpg.Connection, generations: Iterable[Generation]) -> None:
    await owner.executemany(
        "insert into public.generations (user_id, key_id, endpoint, environment, model, gpu, state, estimated_usd,"
        " cost_usd, prompt_tokens, cached_tokens, completion_tokens, gpu_seconds, latency_s, finish_reason, error,"
        " created_at, expires_at, settled_at)"
        " values ($1, $2, $3, $4, 'm', 'H100', 'settled', 1, $5, 10, $6, 5, $7, $7, 'stop', $8, $9, $10, $10)",
        [
            (
                uuid.UUID(g.user), uuid.UUID(g.key) if g.key else None, g.endpoint, ENVIRONMENT, g.usd,
                g.cached_tokens, float(g.latency_s), g.error, g.created_at, g.settled_at,
            )
            for g in generations
        ],
    )  # fmt: skip


async def test_a_day(lived: Lived):
    day, operation = lived.day, Operation(lived.data)
    await bills_are_right(lived, operation)
    await alerts_are_right(lived)

    dimensions: tuple[Any, ...] = ("day", "user", "key", "endpoint")
    before = await operation.costs(lived.operator, since=DAY, until=DAY + timedelta(days=1), by=dimensions)
    rolled = await run_job("nightly", secrets_of(lived.stack), load_settings(ENVIRONMENT).maintenance)
    assert rolled["roll_up_day"] >= 18, "the days before, and this one where it is long ago"
    while await roll_up(lived, MIDNIGHT + timedelta(days=2)):
        pass
    assert await lived.owner.fetchval("select sum(cost_usd) from public.daily_costs") == sum(
        (g.usd for g in day.generations), sum(day.before.values(), Decimal(0))
    )
    after = await operation.costs(lived.operator, since=DAY, until=DAY + timedelta(days=1), by=dimensions)
    assert after == before, "a rollup changes no figure"


async def roll_up(lived: Lived, at: datetime) -> int:
    days: int = await lived.data.call("roll_up_day", {"p_at": at.isoformat()}, token=lived.stack.service_role_key)
    return days


async def bills_are_right(lived: Lived, operation: Operation) -> None:
    day = lived.day
    costs = await operation.costs(
        lived.operator, since=DAY, until=DAY + timedelta(days=1), by=("user", "endpoint", "key"),
        environment=ENVIRONMENT,
    )  # fmt: skip
    lines: dict[tuple[str | None, ...], Decimal] = defaultdict(Decimal)
    for g in day.generations:
        lines[g.user, g.endpoint, g.key] += g.usd
    assert {(c.user_id, c.endpoint, c.key_id): c.estimated_usd for c in costs.estimated} == lines
    billed = sum((day.bill(hour) for hour in range(23 - BILL_LAG_H)), Decimal(0))
    assert sum(c.billed_usd for c in costs.billed).quantize(CENT) == billed.quantize(CENT)
    assert {c.object_id for c in costs.billed} == {"ap-1"}
    idle = sum((day.idle_usd(hour, 288) for hour in range(24)), Decimal(0))
    assert costs.totals.idle_usd.quantize(CENT) == idle.quantize(CENT)
    assert costs.engines[0].warm_seconds == sum(day.containers) * 300
    assert costs.totals.total_usd.quantize(CENT) == cost_so_far(day, 288, 23 - BILL_LAG_H).quantize(CENT)
    at = MIDNIGHT + timedelta(hours=23, minutes=59, seconds=59)
    forecasted = await operation.forecast(lived.operator, at=at, environment=ENVIRONMENT)
    spent = sum((c for d, c in day.before.items() if d.month == DAY.month), costs.totals.total_usd)
    assert Decimal(forecasted.spent_usd).quantize(CENT) == spent.quantize(CENT)


async def alerts_are_right(lived: Lived) -> None:
    rows = await lived.owner.fetch("select kind, created_at, resolved_at from public.alerts order by created_at, kind")
    found = [(row["kind"], row["created_at"], row["resolved_at"]) for row in rows]
    story = lived.story
    expected = sorted(
        [*story.closed, *((rule, at, None) for rule, at in story.open.items())], key=lambda e: (e[1], e[0])
    )
    assert found == expected
    assert {"error-rate", "latency-p95", "generation-cost-day", "cost-day"} <= {rule for rule, _, _ in found}
    assert any(rule.startswith("forecast") for rule, _, _ in found)
    told = [one.body["type"] for one in lived.receivers.at("/webhook")]
    assert sorted(told) == sorted(
        [*("alert.opened" for _ in found), *("alert.resolved" for _, _, resolved in found if resolved)]
    )
    ids = [one.headers["webhook-id"] for one in lived.receivers.at("/webhook")]
    assert len(ids) == len(set(ids)), "nothing is told twice"
    incidents = {one.body["dedup_key"].split(":")[1] for one in lived.receivers.at("/pagerduty")}
    assert incidents <= {"error-rate", "latency-p95", "cost-day", "cost-month-2000"}, "the critical ones alone"
