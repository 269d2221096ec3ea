import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import asyncpg
import httpx
import pytest

from endpoints.app import create_app
from endpoints.database_check import DatabaseCheck
from functions.database import Database
from functions.operation import Operation
from tests.endpoints.asgi import client_of
from tests.endpoints.conftest import Web

PATHS = (
    "/api/costs",
    "/api/costs/forecast",
    "/api/metrics",
    "/api/scale-triggers",
    "/api/alerts",
    "/api/keep-alive",
    "/api/reports",
    "/health/detailed",
)


async def operator(web: Web) -> httpx.AsyncClient:
    return web.client((await web.stack.user(operator=True)).token)


async def generations(web: Web, user_id: str, **columns: Any) -> None:
    owner = await asyncpg.connect(web.stack.dsn)
    at = columns.get("at", datetime.now(UTC))
    await owner.execute(
        "insert into public.generations (user_id, endpoint, environment, model, gpu, state, estimated_usd, cost_usd,"
        " prompt_tokens, cached_tokens, completion_tokens, gpu_seconds, latency_s, finish_reason, error, created_at,"
        " expires_at, settled_at) values ($1, $2, 'local', 'm', 'cpu', $3, 1, 0.25, 10, $4, 5, 1, $5, 'stop', $6, $7,"
        " $7, $7)",
        uuid.UUID(user_id), columns.get("endpoint", "generate"), columns.get("state", "settled"),
        columns.get("cached_tokens", 0), columns.get("latency_s", 1.0), columns.get("error"), at,
    )  # fmt: skip
    await owner.close()


@pytest.mark.parametrize("path", PATHS)
async def test_others_than_operators_are_refused(web: Web, path: str):
    _, client = await web.user_client()
    refused = await client.get(path)
    assert refused.status_code == 403
    assert refused.json()["detail"] == "this is for operators"


@pytest.mark.parametrize("path", PATHS)
async def test_nothing_has_happened_yet(web: Web, path: str):
    answer = await (await operator(web)).get(path)
    assert answer.status_code == 200, answer.text


async def test_costs_by_whatever_is_asked(web: Web):
    alice, _ = await web.user_client()
    bob, _ = await web.user_client()
    for user, endpoint in ((alice, "generate"), (alice, "code"), (bob, "code")):
        await generations(web, user.id, endpoint=endpoint)
    client = await operator(web)
    by_user = (await client.get("/api/costs", params={"by": ["user"]})).json()
    assert {c["user_id"]: c["estimated_usd"] for c in by_user["estimated"]} == {alice.id: "0.5", bob.id: "0.25"}
    by_both = (await client.get("/api/costs", params={"by": ["endpoint", "day"]})).json()
    today = datetime.now(UTC).date().isoformat()
    assert {(c["endpoint"], c["day"], c["generations"]) for c in by_both["estimated"]} == {
        ("generate", today, 1), ("code", today, 2)
    }  # fmt: skip
    totals = {name: value and Decimal(value) for name, value in by_both["totals"].items()}
    assert totals == {"estimated_usd": Decimal("0.75"), "idle_usd": 0, "billed_usd": None, "total_usd": Decimal("0.75")}
    assert by_both["billed"] == []
    assert by_both["prices_source"]
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    earlier = await client.get("/api/costs", params={"since": yesterday, "until": yesterday})
    assert earlier.json()["estimated"] == []


@pytest.mark.parametrize(
    "query", ["by=colour", "since=2026-11-21&until=2026-11-20", "since=2020-01-01&until=2026-01-01"]
)
async def test_costs_that_there_are_not_are_refused(web: Web, query: str):
    assert (await (await operator(web)).get(f"/api/costs?{query}")).status_code == 422


async def test_metrics_tell_the_services_errors_from_the_callers(web: Web):
    user, _ = await web.user_client()
    for latency_s in (1.0, 2.0, 3.0):
        await generations(web, user.id, latency_s=latency_s, cached_tokens=8)
    await generations(web, user.id, error="EngineUnavailable")
    await generations(web, user.id, error="ConstraintRefused", state="released")
    await generations(web, user.id, state="expired")
    metrics = (await (await operator(web)).get("/api/metrics?days=2")).json()
    counted = {name: metrics[name] for name in ("generations", "refused", "successes", "errors", "active_users")}
    assert counted == {"generations": 5, "refused": 1, "successes": 3, "errors": 2, "active_users": 1}
    assert (metrics["error_rate"], metrics["success_rate"], metrics["cache_hit_rate"]) == (0.4, 0.6, 0.75)
    assert (metrics["latency_p50_s"], metrics["latency_p99_s"]) == (2.0, pytest.approx(2.98))
    assert [day["generations"] for day in metrics["days"]] == [0, 5]


async def test_scale_triggers_say_why(web: Web):
    triggers = (await (await operator(web)).get("/api/scale-triggers")).json()
    assert [t["name"] for t in triggers["triggers"]] == ["requests", "egress", "latency", "residency", "bill"]
    assert triggers["decision"] == "no-go"
    assert "6 months of production data (there are 0)" in triggers["reasoning"]
    assert all(t["reasoning"] for t in triggers["triggers"])


async def test_detailed_health_has_a_state_for_each_part(web: Web):
    client = await operator(web)
    health = (await client.get("/health/detailed")).json()
    parts = ("database", "engine", "caches", "jobs", "alerts", "billing")
    assert [health[part]["state"] for part in parts] == ["ok"] * 6
    assert health["engine"]["engine"]["state"] == "cold"
    assert health["database"]["connections"] >= 1
    owner = await asyncpg.connect(web.stack.dsn)
    await owner.execute(
        "insert into public.job_runs (job, state, error, finished_at) values ('nightly', 'failed', 'OSError', now())"
    )
    await owner.close()
    health = (await client.get("/health/detailed")).json()
    assert (health["status"], health["jobs"]["state"], health["database"]["state"]) == ("degraded", "degraded", "ok")
    assert health["jobs"]["jobs"][0]["error"] == "OSError"


async def test_detailed_health_answers_when_the_database_does_not(web: Web):
    away = Database("http://127.0.0.1:9", web.stack.anon_key, timeout_s=1)
    services = replace(web.services, operation=Operation(away), database_check=DatabaseCheck(away.ping))
    token = (await web.stack.user(operator=True)).token
    async with client_of(create_app(services), headers={"authorization": f"Bearer {token}"}) as client:
        health = await client.get("/health/detailed")
    await away.close()
    assert health.status_code == 200
    states = {part: health.json()[part]["state"] for part in ("database", "engine", "jobs", "alerts")}
    assert states == {"database": "degraded", "engine": "ok", "jobs": "unknown", "alerts": "unknown"}
