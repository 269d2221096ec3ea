"""What scheduled jobs do: sweeps, in batches, until nothing is left. Each may run at any time."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, Literal

import structlog

from functions.database import Database
from functions.embeddings import Embedder
from functions.job_runs import JobRuns
from functions.session_search import SessionSearch
from infra.operation_settings import MaintenanceSettings
from infra.settings import Secrets, SettingsError

Job = Literal["incremental", "nightly"]

SWEEP_S: Final = 600.0
"""A sweep that is not done by then goes on in the job's next run."""

_log = structlog.get_logger()


def sweeps(job: Job, settings: MaintenanceSettings) -> Mapping[str, Mapping[str, Any]]:
    """SQL functions for the service role, with their arguments; each returns how much it did, 0 when none is left."""
    if job == "incremental":
        return {
            "sweep_stale_reservations": {},
            "fail_abandoned_generations": {"p_hours": settings.pending_hours},
        }
    return {
        "sweep_stale_reservations": {},
        "abandon_idle_sessions": {"p_days": settings.idle_session_days},
        "roll_up_day": {},
        "forget_idempotency_keys": {},
        "forget_rate_limits": {},
        "forget_events": {"p_days": settings.event_days},
        "forget_operation": {"p_days": settings.operation_days},
        "forget_keep_alive": {"p_days": settings.event_days},
    }


async def run_job(
    job: Job,
    secrets: Secrets,
    settings: MaintenanceSettings,
    *,
    embedder: Embedder | None = None,
    book_late_use: Callable[[], Awaitable[int]] | None = None,
) -> dict[str, Any]:
    """Run the job's sweeps, and return what each did. Raises `SettingsError`, and what the database does.

    A run that is broken off is gone on with by the next one: each sweep is a row of small transactions. With an
    `embedder`, sessions that search by meaning would not find as they now are get their embeddings; `book_late_use`
    books what servers have noted in an outage, and left (`functions.degraded_mode`).
    While another run of the job goes on nothing is done, and the answer is empty.
    """
    async with service_database(secrets) as (database, key):
        steps: dict[str, Callable[[], Awaitable[int]]] = {
            function: partial(database.call, function, arguments, token=key)
            for function, arguments in sweeps(job, settings).items()
        }
        if book_late_use is not None:
            steps["book_late_use"] = book_late_use
        if embedder is not None:
            steps["embed_sessions"] = partial(SessionSearch(database, embedder).embed_missing, key)
        async with JobRuns(database, key).run(job) as done:
            if done is None:
                return {}
            for name, step in steps.items():
                done[name] = await _until_nothing_is_left(step)
            if job == "nightly":
                done["hints"] = await database.call("vacuum_hints", token=key, idempotent=True)
    _log.info("job done", job=job, **done)
    return done


@asynccontextmanager
async def service_database(secrets: Secrets) -> AsyncIterator[tuple[Database, str]]:
    """The database for a scheduled job, and the service key to call it with. Raises `SettingsError` without one."""
    if secrets.supabase_service_role_key is None:
        raise SettingsError(
            "SUPABASE_SERVICE_ROLE_KEY is not set: on Modal it comes from the secret 'supabase-service'"
        )
    database = Database(str(secrets.supabase_url), secrets.supabase_anon_key.get_secret_value(), timeout_s=60.0)
    try:
        yield database, secrets.supabase_service_role_key.get_secret_value()
    finally:
        await database.close()


async def _until_nothing_is_left(sweep: Callable[[], Awaitable[int]]) -> int:
    until = time.monotonic() + SWEEP_S
    total = 0
    while time.monotonic() < until:
        done = await sweep()
        if done == 0:
            break
        total += done
    return total
