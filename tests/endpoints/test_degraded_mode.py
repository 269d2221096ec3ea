"""Degraded mode: Postgres is killed and comes back; what goes on meanwhile, for whom, and what it costs afterwards."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from pydantic import SecretStr

from endpoints.acting import ActingTokens
from endpoints.app import create_app
from endpoints.composition import assemble, signer_of
from endpoints.late_use import book_late_use
from functions import degraded_mode
from functions.cache import FileStore
from functions.database import Database
from functions.degraded_mode import DegradedMode
from functions.generation import GenerationEvent, GenerationRequest
from functions.ledger import LateUse, Ledger
from functions.maintenance import run_job
from functions.sentence_model import SentenceModel
from functions.usage_outbox import UsageOutbox
from functions.validation import ConstraintValidator
from infra.local.bootstrap import bootstrap
from infra.local.gateway import Gateway
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import migrate
from infra.settings import Settings, load_settings
from tests.database_fixtures import KEYS, Stack, execute, fetch, scratch_directory
from tests.endpoints.asgi import until
from tests.endpoints.conftest import Web, secrets_of
from tests.endpoints.console.scripted_engine import ScriptedEngine

RULES = {"constraints": [{"name": "no eval", "rule": {"type": "forbid_calls", "calls": ["eval"]}}]}
CHECK = {"constraints": RULES, "language": "python", "texts": ["x = eval('1')\n"]}
GENERATE = {"prompt": "a colour", "max_tokens": 10}


@pytest.fixture(scope="module")
def mortal_postgres() -> Iterator[EmbeddedPostgres]:
    with scratch_directory() as directory:
        postgres = EmbeddedPostgres(directory / "postgres", durable=False)
        postgres.start()
        yield postgres
        postgres.stop()


@pytest.fixture
async def mortal(mortal_postgres: EmbeddedPostgres) -> AsyncIterator[Stack]:
    """A stack whose Postgres may be killed."""
    name = f"mortal_{uuid.uuid4().hex}"
    await execute(mortal_postgres.dsn(user="supabase_admin"), f"create database {name}")
    await bootstrap(mortal_postgres, name)
    await migrate(mortal_postgres.dsn(name))
    gateway = Gateway(
        rest_dsn=mortal_postgres.dsn(name, "authenticator"),
        auth_dsn=mortal_postgres.dsn(name, "supabase_auth_admin"),
        keys=KEYS,
    )
    async with gateway.running():
        yield Stack(gateway, mortal_postgres, name)


def kill(stack: Stack) -> None:
    assert stack.postgres.pid is not None
    os.kill(stack.postgres.pid, signal.SIGKILL)
    stack.postgres.stop()


async def all_is_booked(degraded: DegradedMode) -> None:
    """The first calls may meet connections to the server that was killed."""
    while await degraded.drain():  # noqa: ASYNC110 - it is a server that comes back
        await asyncio.sleep(0.02)


@dataclass
class Fatal(ScriptedEngine):
    """Its first piece of text costs the database of `victim` its life."""

    victim: Stack | None = None

    async def generate(self, request: GenerationRequest) -> AsyncGenerator[GenerationEvent, None]:
        async with aclosing(super().generate(request)) as events:
            async for event in events:
                if self.victim is not None:
                    kill(self.victim)
                    self.victim = None
                yield event


def degraded_settings(settings: Settings, directory: Path, **changes: object) -> Settings:
    degraded = settings.availability.degraded.model_copy(
        update={"enabled": True, "outbox_directory": str(directory), **changes}
    )
    availability = settings.availability.model_copy(update={"degraded": degraded})
    prices = settings.prices.model_copy(update={"gpu_usd_per_hour": {"cpu": 36.0}})
    limits = settings.limits.model_copy(update={"reads_per_minute": 20})  # each one is counted by the database
    return settings.model_copy(update={"availability": availability, "prices": prices, "limits": limits})


@pytest.fixture
async def web(
    mortal: Stack, settings: Settings, validator: ConstraintValidator, embedder: SentenceModel, store: FileStore,
    tmp_path: Path,
) -> AsyncIterator[Web]:  # fmt: skip
    """The web tier of an operator who wants degraded mode."""
    wanted = degraded_settings(settings, tmp_path / "outbox")
    engine = Fatal(pause_s=0.01)
    async with assemble(wanted, secrets_of(mortal), engine, validator, embedder=embedder, store=store) as services:
        yield Web(mortal, services, create_app(services), embedder)


async def test_what_needs_no_database_goes_on_and_is_booked_once(web: Web):
    _, latecomer = await web.user_client()
    user, client = await web.user_client()
    by_key = web.client()
    key = (await client.post("/api/keys", json={"name": "k", "scopes": ["read", "generate"]})).json()
    by_key.headers["authorization"] = f"Bearer {key['key']}"
    for one in (client, by_key):
        served = await one.post("/api/check", json=CHECK)
        assert served.status_code == 200
        assert "service-mode" not in served.headers
    kill(web.stack)

    for one in (client, by_key):
        for path, body in (("/api/compile", RULES), ("/api/check", CHECK), ("/api/generate", GENERATE)):
            served = await one.post(path, json=body)
            assert served.status_code == 200, served.text
            assert served.headers["service-mode"] == "degraded"
            assert '"degraded";r=' in served.headers["ratelimit"]
    streamed = await client.post("/api/generate", json=GENERATE, headers={"accept": "text/event-stream"})
    assert streamed.headers["service-mode"] == "degraded"
    assert "event: done" in streamed.text
    assert (await latecomer.post("/api/check", json=CHECK)).status_code == 503, "nobody has vouched for them lately"
    assert (await client.get("/api/sessions")).status_code == 503
    assert (await client.patch("/api/me", json={"preferences": {}})).status_code == 503
    health = (await web.client().get("/health")).json()
    assert (health["status"], health["degraded_mode"]) == ("degraded", {"active": True, "unsettled": 3})
    assert "The database cannot be reached." in (await web.client().get("/sign-in")).text

    web.stack.postgres.start()
    degraded = web.services.degraded
    assert degraded is not None
    await all_is_booked(degraded)
    rows = await fetch(
        web.stack.dsn,
        "select user_id::text, key_id::text, endpoint, state, cost_usd, prompt_tokens, created_at, settled_at"
        " from public.generations order by created_at",
    )
    assert [(row["user_id"], row["key_id"]) for row in rows] == [
        (user.id, None), (user.id, key["id"]), (user.id, None)
    ]  # fmt: skip
    assert all((row["endpoint"], row["state"], row["prompt_tokens"]) == ("generate", "settled", 20) for row in rows)
    assert all(row["settled_at"] - row["created_at"] < timedelta(minutes=1) for row in rows), "not all of the outage"
    assert [row["cost_usd"] > 0 for row in rows] == [True] * 3
    budgets = await fetch(web.stack.dsn, "select spent_usd, reserved_usd from public.budgets where key_id is null")
    assert [tuple(b) for b in budgets] == [(sum(row["cost_usd"] for row in rows), 0)] * 2
    assert (await web.client().get("/health")).json()["degraded_mode"]["unsettled"] == 0


async def test_an_outage_in_the_middle_of_a_generation_costs_no_record_of_it(web: Web):
    _, client = await web.user_client()
    engine = web.services.engine
    assert isinstance(engine, Fatal)
    engine.victim = web.stack
    answered = await client.post("/api/generate", json=GENERATE)
    assert answered.status_code == 200
    assert "service-mode" not in answered.headers, "the database let it begin"
    degraded = web.services.degraded
    assert degraded is not None
    await until(lambda: degraded.unsettled == 1)
    web.stack.postgres.start()
    await all_is_booked(degraded)
    rows = await fetch(web.stack.dsn, "select state, cost_usd > 0 as paid from public.generations")
    assert [tuple(row) for row in rows] == [("settled", True)]


async def test_a_server_that_dies_leaves_what_the_next_one_books(web: Web, tmp_path: Path):
    user, _ = await web.user_client()
    now = datetime.now(UTC)
    ended = late_use(user.id).model_copy(update={"began_at": now - timedelta(days=2)})
    cut_off = ended.model_copy(update={"id": str(uuid.uuid4()), "outcome": None})
    running_elsewhere = cut_off.model_copy(update={"id": str(uuid.uuid4()), "began_at": now})
    gone = ended.model_copy(update={"id": str(uuid.uuid4()), "user_id": str(uuid.uuid4())})
    outbox = UsageOutbox(tmp_path / "left", 10)
    for use in (ended, cut_off, running_elsewhere, gone):
        await outbox.put(use)
    (tmp_path / "left" / f"{uuid.uuid4()}.json").write_text("half")
    wanted = web.services.settings.availability.degraded
    await execute(web.stack.dsn, "insert into public.rolled_days values ($1, now())", (now - timedelta(days=2)).date())

    for _ in range(2):  # two servers have seen the same files
        for use in (ended, cut_off):
            await outbox.put(use)
        following = DegradedMode(wanted, web.services.ledger, UsageOutbox(tmp_path / "left", 10))
        assert await following.drain() == 1, "what another server may still be at is left to it"
    rows = await fetch(
        web.stack.dsn, "select id::text, state, cost_usd, error, created_at, settled_at from public.generations"
    )
    found = {row["id"]: row for row in rows}
    assert set(found) == {ended.id, cut_off.id}
    assert (found[ended.id]["state"], float(found[ended.id]["cost_usd"])) == ("settled", 0.1)
    assert found[ended.id]["created_at"] == ended.began_at
    assert found[ended.id]["settled_at"] == ended.began_at + timedelta(seconds=2)
    assert (found[cut_off.id]["error"], float(found[cut_off.id]["cost_usd"])) == ("ServerDied", 0)
    rolled = await fetch(web.stack.dsn, "select rolled_at = '-infinity' as again from public.rolled_days")
    assert [row["again"] for row in rolled] == [True], "the day's sums are made again"
    budgets = {b["period"]: float(b["spent_usd"]) for b in await fetch(web.stack.dsn, "select * from public.budgets")}
    same_month = ended.began_at.month == now.month
    assert budgets == {"day": 0.0, "month": 0.1 if same_month else 0.0}, "today's budget is today's"
    left = sorted(path.suffix for path in (tmp_path / "left").iterdir())
    assert left == [".json", ".unbookable", ".unreadable"]


async def test_a_server_that_runs_on_books_by_itself_when_the_database_is_back(
    web: Web, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(degraded_mode, "SETTLE_EVERY_S", 0.02)
    degraded = web.services.degraded
    assert degraded is not None
    _, client = await web.user_client()
    assert (await client.post("/api/check", json=CHECK)).status_code == 200
    kill(web.stack)
    assert (await client.post("/api/generate", json=GENERATE)).headers["service-mode"] == "degraded"
    assert degraded.unsettled == 1
    web.stack.postgres.start()
    await until(lambda: degraded.unsettled == 0)
    rows = await fetch(web.stack.dsn, "select state, cost_usd > 0 as paid from public.generations")
    assert [tuple(row) for row in rows] == [("settled", True)]


async def test_a_server_that_runs_on_books_what_others_leave_where_it_keeps_its_own(
    stack: Stack, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(degraded_mode, "LOOK_AGAIN_S", 0.02)
    wanted, secrets = degraded_settings(settings, tmp_path), secrets_of(stack)
    user = await stack.user()
    database = Database(stack.url, stack.anon_key)
    ledger = Ledger(database, ActingTokens(signer_of(secrets)).token, settings.limits)
    own = DegradedMode(wanted.availability.degraded, ledger, UsageOutbox(tmp_path, 10))
    settling = asyncio.create_task(own.keep_settling())
    await asyncio.sleep(0)
    use = late_use(user.id)
    await UsageOutbox(tmp_path, 10).put(use)
    await until(lambda: not len(UsageOutbox(tmp_path, 10)))
    settling.cancel()
    await asyncio.gather(settling, return_exceptions=True)
    await database.close()
    rows = await fetch(stack.dsn, "select id::text, state from public.generations")
    assert [tuple(row) for row in rows] == [(use.id, "settled")]


async def test_a_scheduled_job_books_what_servers_have_left(stack: Stack, settings: Settings, tmp_path: Path):
    wanted, secrets = degraded_settings(settings, tmp_path), secrets_of(stack)
    kept: list[int] = []

    async def commit() -> None:
        kept.append(len(UsageOutbox(tmp_path, 10)))

    user = await stack.user()
    uses = [late_use(user.id), late_use(user.id)]
    for use in uses:
        await UsageOutbox(tmp_path, 10).put(use)
    assert await book_late_use(settings, secrets, commit) == 0, "nothing without degraded mode"
    job_secrets = secrets.model_copy(update={"supabase_service_role_key": SecretStr(stack.service_role_key)})
    book = partial(book_late_use, wanted, job_secrets, commit)
    for booked in (2, 0):
        done = await run_job("incremental", job_secrets, settings.maintenance, book_late_use=book)
        assert done["book_late_use"] == booked
    assert kept == [1, 0], "the volume is committed after each"
    rows = await fetch(stack.dsn, "select id::text, cost_usd from public.generations")
    assert {row["id"]: float(row["cost_usd"]) for row in rows} == {use.id: 0.1 for use in uses}


def late_use(user_id: str) -> LateUse:
    """Of an hour ago; it has cost 10 cents."""
    work = {
        "endpoint": "generate", "environment": "local", "model": "m", "gpu": "cpu", "estimated_usd": 0.2,
        "expires_in_s": 60.0, "session_id": None, "trace_id": None, "expensive": False,
    }  # fmt: skip
    return LateUse(
        id=str(uuid.uuid4()),
        user_id=user_id,
        key_id=None,
        began_at=datetime.now(UTC) - timedelta(hours=1),
        work=work,
        outcome={"cost_usd": 0.1, "latency_s": 2.0, "finish_reason": "stop"},
    )


@pytest.mark.parametrize("environment", ["local", "production"])
def test_it_is_off_unless_the_operator_wants_it(environment: str):
    assert not load_settings(environment).availability.degraded.enabled


async def test_an_idempotency_key_is_a_promise_that_the_database_keeps(web: Web):
    _, client = await web.user_client()
    assert (await client.post("/api/check", json=CHECK)).status_code == 200
    kill(web.stack)
    refused = await client.post("/api/generate", json=GENERATE, headers={"idempotency-key": "once"})
    assert refused.status_code == 503
    web.stack.postgres.start()
