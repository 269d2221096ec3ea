"""A day of mixed traffic in seconds, by an injected clock: every figure against a calculation that shares no code."""

import random
import re
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import asyncpg
import pytest

from functions.billing import BilledItem, reconcile
from functions.cache import FileStore
from functions.callers import Caller
from functions.database import Database
from functions.forecast import Forecast, forecast
from functions.keep_alive import Decision
from functions.keep_alive_job import decide_now
from functions.maintenance import run_job
from functions.operation import Operation
from functions.watch import watch
from infra.settings import Settings, WarmHours, load_settings
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
LAST_MOMENT = MIDNIGHT + timedelta(hours=23, minutes=59, seconds=59)
BUDGET = 4.0
LEARNED_AT = (1, 3, 5, 7, 9, 13)
PRODUCTION = load_settings(ENVIRONMENT)
WINDOWS_S = (2, 10, 20, 30, 45, 60, 90, 120, 180, 240, 300, 450, 600, 900, 1200, 1800, 2700, 3600, None)
Policy = Literal["learned", "timetable"]


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
    busy: bytearray = field(default_factory=lambda: bytearray(86_400 * 2))  # one for each second

    def add(self, made: Iterable[Generation]) -> None:
        for g in made:
            self.generations.append(g)
            end = int((g.settled_at - MIDNIGHT).total_seconds())
            for second in range(max(end - g.latency_s, 0), end):
                self.busy[second] = 1

    def between(self, start: datetime, end: datetime) -> list[Generation]:
        return [g for g in self.generations if start <= g.created_at < end]

    def idle_usd(self, hour: int, until_tick: int) -> Decimal:
        """Second by second: engines that are up while no generation runs, by as many as are not the one that works."""
        warm = sum(self.containers[tick] * 300 for tick in range(hour * 12, min(hour * 12 + 12, until_tick)))
        working = sum(self.busy[hour * 3600 : (hour + 1) * 3600])
        return Decimal(warm - min(warm, working)) * USD_PER_HOUR / 3600

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
    decisions: dict[Policy, dict[int, Decision]]  # by hour


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
    policies: dict[Policy, Settings] = {
        "learned": with_keep_alive(settings, "learned", 1e6),
        "timetable": with_keep_alive(settings, "timetable", BUDGET),
    }
    decisions: dict[Policy, dict[int, Decision]] = {"learned": {}, "timetable": {}}
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
            hour, minute = divmod(tick * 5, 60)
            for policy, ours in policies.items() if not minute else ():
                if policy == "timetable" or hour in LEARNED_AT:
                    decisions[policy][hour] = await decide_now(ours, secrets_of(stack), at=clock)
            await data.call(
                "record_engine_sample",
                {
                    "p_environment": ENVIRONMENT, "p_gpu": "H100", "p_containers": day.containers[-1],
                    "p_usd_per_hour": str(USD_PER_HOUR), "p_at": clock.isoformat(),
                },
                token=key,
            )  # fmt: skip
            made = list(traffic(random_, tick, users, keys))
            day.add(made)
            await store(owner, made)
        operator = await people.new(operator=True)
        yield Lived(day, story, listening, owner, stack, data, operator, decisions)
    await owner.close()


def with_keep_alive(settings: Settings, policy: Policy, budget_usd: float) -> Settings:
    """With engines warm from 8 to 18 on working days, where the timetable is followed."""
    hours = WarmHours(days=[0, 1, 2, 3, 4], from_hour=8, until_hour=18, containers=1)
    changes = {"policy": policy, "warm_hours": [hours], "daily_warm_budget_usd": budget_usd}
    return settings.model_copy(update={"keep_alive": settings.keep_alive.model_copy(update=changes)})


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
    forecast_is_right(lived, await operation.forecast(lived.operator, at=LAST_MOMENT, environment=ENVIRONMENT))
    warm_engines_are_right(lived)

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


def forecast_is_right(lived: Lived, found: Forecast) -> None:
    """Ten days are to come, four of them Saturdays and Sundays; 20 November 2026 is a Friday."""
    daily = {d: float(c) for d, c in lived.day.before.items()}
    spent = sum(daily.values()) + float(cost_so_far(lived.day, 288, 23 - BILL_LAG_H))
    weekends = [c for d, c in daily.items() if d.strftime("%a") in {"Sat", "Sun"}]
    working = [c for d, c in daily.items() if d.strftime("%a") not in {"Sat", "Sun"}]
    assert found.spent_usd == pytest.approx(spent, abs=0.005)
    to_come = 4 * sum(weekends) / len(weekends) + 6 * sum(working) / len(working)
    # At the last moment of a day nothing more of it is to come.
    assert found.forecast_usd == pytest.approx(spent + to_come, abs=0.02)
    assert found.low_usd is not None
    assert found.high_usd is not None
    assert found.spent_usd < found.low_usd < found.forecast_usd < found.high_usd


def warm_engines_are_right(lived: Lived) -> None:
    """The timetable within its budget; and the prices by which the learned policy has chosen."""
    day, rate = lived.day, float(USD_PER_HOUR) / 3600
    for hour, decision in lived.decisions["timetable"].items():
        idle = float(sum((day.idle_usd(past, hour * 12) for past in range(hour)), Decimal(0)))
        left_s = (BUDGET - idle) / rate
        wanted = 1 if 8 <= hour < 18 and left_s >= 300 else 0
        window = max(min(PRODUCTION.scaling.scaledown_window_s, int(left_s)), 2)
        assert (decision.min_containers, decision.scaledown_window_s) == (wanted, window), hour
    cut = [decision for decision in lived.decisions["timetable"].values() if "are spent today" in decision.why]
    assert 0 < len(cut) < 24, "the budget holds for a part of the day"

    names = {"stopping at once": 2, "10 min": 600, "never stopping": None}
    for hour, decision in lived.decisions["learned"].items():
        told = re.fullmatch(
            r"(\d+) s of idling: ([\d.]+) USD an idle time, (.*) \((\d+) seen( at these hours)?\)", decision.why
        )
        assert told, decision.why
        usd, seen = usd_of_windows(day, MIDNIGHT + timedelta(hours=hour), at_these_hours=bool(told[5]))
        assert int(told[4]) == seen, hour
        chosen = int(told[1])
        figures = {chosen: float(told[2])}
        figures |= {names[one.rpartition(" ")[0]]: float(one.rpartition(" ")[2]) for one in told[3].split(", ")}
        assert figures == pytest.approx({window: usd(window) for window in figures}, abs=0.0001), hour
        if not told[5]:  # of certain hours, what is known of all others has a say
            assert usd(chosen) == min(map(usd, WINDOWS_S)), hour
        assert (decision.min_containers, decision.scaledown_window_s) == (0, chosen)


def usd_of_windows(day: Day, until: datetime, *, at_these_hours: bool) -> tuple[Callable[[int | None], float], int]:
    """What an idle time has cost on average under a window, of those that were over by then; and how many were.

    Or of those alone that began in the same three hours of a working day as the one that goes on then.
    """
    work = [(MIDNIGHT + timedelta(days=(d - DAY).days, hours=12), 60) for d in sorted(day.before)]
    work += sorted((g.created_at, g.latency_s) for g in day.generations if g.created_at < until)
    rate, waited, cold_s = float(USD_PER_HOUR) / 3600, 0.01, PRODUCTION.keep_alive.cold_start_s
    idle: list[tuple[float, float, float]] = []  # when it began, how long it was, how long users would have waited
    busy_until = work[0][0] + timedelta(seconds=work[0][1])
    for place, (at, latency_s) in enumerate(work[1:], 1):
        if at > busy_until:
            still = at + timedelta(seconds=latency_s)
            waits = cold_s
            for other, other_latency_s in work[place + 1 :]:  # who comes while the first is still being worked on
                if other > still or (other - at).total_seconds() >= cold_s:
                    break
                still = max(still, other + timedelta(seconds=other_latency_s))
                waits += cold_s - (other - at).total_seconds()
            idle.append((busy_until.timestamp(), (at - busy_until).total_seconds(), waits))
        busy_until = max(busy_until, at + timedelta(seconds=latency_s))
    if at_these_hours:
        idle = [
            one for one in idle if hours_of(datetime.fromtimestamp(one[0], UTC)) == hours_of(min(busy_until, until))
        ]

    def usd(window_s: int | None) -> float:
        total = weights = 0.0
        for began, length, waits in idle:
            weight = 2 ** ((began - idle[0][0]) / (14 * 86_400))
            is_cold = window_s is not None and length >= window_s
            cost = rate * (window_s if is_cold and window_s else length) + is_cold * (cold_s * rate + waits * waited)
            total += weight * cost
            weights += weight
        return total / weights

    return usd, len(idle)


def hours_of(at: datetime) -> tuple[bool, int]:
    return at.strftime("%a") in {"Sat", "Sun"}, at.hour // 3


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
