"""Jobs against the real database: what they sweep, and that they may run again."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import HttpUrl, SecretStr

from functions.maintenance import SWEEPS, report_costs, run_job
from infra.settings import Secrets, SettingsError
from tests.database_fixtures import Stack


@pytest.mark.parametrize("job", list(SWEEPS))
async def test_a_job_is_done_when_nothing_is_left_and_may_run_again(stack: Stack, job: str):
    for _ in range(2):
        assert await run_job(job, secrets_of(stack)) == dict.fromkeys(SWEEPS[job], 0)


async def test_a_job_without_the_service_key_says_where_it_comes_from(stack: Stack):
    secrets = secrets_of(stack).model_copy(update={"supabase_service_role_key": None})
    with pytest.raises(SettingsError, match="the secret 'supabase-service'"):
        await run_job("incremental", secrets)


def test_costs_are_summed_to_the_cent():
    since = datetime(2026, 11, 20, tzinfo=UTC)
    costs = {since.replace(hour=hour): Decimal("0.10") for hour in range(3)}
    assert report_costs(costs, since=since) == Decimal("0.30")
    assert report_costs({}, since=since) == 0


def secrets_of(stack: Stack) -> Secrets:
    return Secrets(
        supabase_url=HttpUrl(stack.url),
        supabase_anon_key=SecretStr(stack.anon_key),
        supabase_service_role_key=SecretStr(stack.service_role_key),
    )
