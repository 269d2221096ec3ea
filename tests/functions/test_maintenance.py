"""Jobs against the real database: what they sweep, and that they may run again."""

import asyncio
import json
from typing import get_args

import pytest
from pydantic import HttpUrl, SecretStr

from functions.callers import Caller
from functions.database import Database
from functions.job_runs import JobRuns
from functions.maintenance import Job, run_job, sweeps
from functions.sentence_model import SentenceModel
from functions.sessions import NewSession, SessionStore
from infra.settings import Secrets, Settings, SettingsError
from tests.database_fixtures import Stack, fetch


@pytest.mark.parametrize("job", get_args(Job))
async def test_a_job_is_done_when_nothing_is_left_and_may_run_again(stack: Stack, settings: Settings, job: Job):
    for _ in range(2):
        done = await run_job(job, secrets_of(stack), settings.maintenance)
        assert {name: done[name] for name in sweeps(job, settings.maintenance)} == dict.fromkeys(
            sweeps(job, settings.maintenance), 0
        )


async def test_a_job_embeds_sessions_where_it_is_given_a_model(
    stack: Stack, embedder: SentenceModel, sessions: SessionStore, alice: Caller, settings: Settings
):
    await sessions.create(alice, NewSession(prompt="sort a list"))
    for embedded in (1, 0):
        done = await run_job("incremental", secrets_of(stack), settings.maintenance, embedder=embedder)
        assert done["embed_sessions"] == embedded


async def test_how_a_run_ended_is_recorded(stack: Stack, data: Database, settings: Settings):
    await run_job("nightly", secrets_of(stack), settings.maintenance)

    async def fail() -> None:
        async with JobRuns(data, stack.service_role_key).run("nightly") as details:
            assert details is not None
            details["begun"] = 1
            raise OSError("it is gone")

    with pytest.raises(OSError, match="gone"):
        await fail()
    rows = await fetch(stack.dsn, "select * from public.job_runs order by id")
    assert [(row["job"], row["state"], row["error"]) for row in rows] == [
        ("nightly", "succeeded", None), ("nightly", "failed", "OSError: it is gone")
    ]  # fmt: skip
    swept = dict.fromkeys(sweeps("nightly", settings.maintenance), 0)
    assert json.loads(rows[0]["details"]) == {**swept, "hints": {"tables": [], "unused_indexes": []}}
    assert json.loads(rows[1]["details"]) == {"begun": 1}
    assert all(row["finished_at"] for row in rows)


async def test_a_job_runs_once_at_a_time_and_others_meanwhile(stack: Stack, data: Database, settings: Settings):
    runs = JobRuns(data, stack.service_role_key)
    async with runs.run("nightly") as first:
        assert first is not None
        assert await run_job("nightly", secrets_of(stack), settings.maintenance) == {}
        assert await run_job("incremental", secrets_of(stack), settings.maintenance)
    assert await run_job("nightly", secrets_of(stack), settings.maintenance)


async def test_of_many_at_once_one_runs(stack: Stack, data: Database):
    calls = (data.call("start_job", {"p_job": "j"}, token=stack.service_role_key) for _ in range(20))
    started = [run for run in await asyncio.gather(*calls) if run is not None]
    assert len(started) == 1


async def test_a_run_that_never_ended_is_taken_for_dead(stack: Stack, data: Database):
    key = stack.service_role_key
    dead = await data.call("start_job", {"p_job": "j"}, token=key)
    heir = await data.call("start_job", {"p_job": "j", "p_lease_s": 0}, token=key)
    assert heir not in {None, dead}
    await data.call("finish_job", {"p_id": dead}, token=key)
    rows = await fetch(stack.dsn, "select state, error from public.job_runs order by id")
    assert [(row["state"], row["error"]) for row in rows] == [("failed", "it never ended"), ("running", None)]


async def test_a_job_without_the_service_key_says_where_it_comes_from(stack: Stack, settings: Settings):
    secrets = secrets_of(stack).model_copy(update={"supabase_service_role_key": None})
    with pytest.raises(SettingsError, match="the secret 'supabase-service'"):
        await run_job("incremental", secrets, settings.maintenance)


def secrets_of(stack: Stack) -> Secrets:
    return Secrets(
        supabase_url=HttpUrl(stack.url),
        supabase_anon_key=SecretStr(stack.anon_key),
        supabase_service_role_key=SecretStr(stack.service_role_key),
    )
