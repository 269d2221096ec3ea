"""What scheduled jobs do: sweeps, in batches, until nothing is left. Each may run at any time."""

import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Final, Literal

import structlog

from functions.database import Database
from functions.embeddings import Embedder
from functions.job_runs import JobRuns
from functions.session_search import SessionSearch
from infra.settings import Secrets, SettingsError

Job = Literal["incremental", "nightly"]

SWEEPS: Final[Mapping[Job, tuple[str, ...]]] = {
    "incremental": ("sweep_stale_reservations",),
    "nightly": ("sweep_stale_reservations", "forget_idempotency_keys"),
}
"""SQL functions that the service role may call; each returns how much it did, 0 when none is left."""

SWEEP_S: Final = 600.0
"""A sweep that is not done by then goes on in the job's next run."""

_log = structlog.get_logger()


async def run_job(job: Job, secrets: Secrets, *, embedder: Embedder | None = None) -> dict[str, int]:
    """Run the job's sweeps, and return what each did. Raises `SettingsError`, and what the database does.

    With an `embedder`, sessions that search by meaning would not find as they now are get their embeddings.
    While another run of the job goes on nothing is done, and the answer is empty.
    """
    if secrets.supabase_service_role_key is None:
        raise SettingsError(
            "SUPABASE_SERVICE_ROLE_KEY is not set: on Modal it comes from the secret 'supabase-service'"
        )
    key = secrets.supabase_service_role_key.get_secret_value()
    database = Database(str(secrets.supabase_url), secrets.supabase_anon_key.get_secret_value(), timeout_s=60.0)
    try:
        sweeps: dict[str, Callable[[], Awaitable[int]]] = {
            function: partial(database.call, function, token=key) for function in SWEEPS[job]
        }
        if embedder is not None:
            sweeps["embed_sessions"] = partial(SessionSearch(database, embedder).embed_missing, key)
        async with JobRuns(database, key).run(job) as done:
            if done is None:
                return {}
            for name, sweep in sweeps.items():
                done[name] = await _until_nothing_is_left(sweep)
    finally:
        await database.close()
    _log.info("job done", job=job, **done)
    return done


async def _until_nothing_is_left(sweep: Callable[[], Awaitable[int]]) -> int:
    until = time.monotonic() + SWEEP_S
    total = 0
    while time.monotonic() < until:
        done = await sweep()
        if done == 0:
            break
        total += done
    return total


def report_costs(costs: Mapping[datetime, Decimal], *, since: datetime) -> Decimal:
    """Write the sum in US dollars of what was billed, by interval, into the log, and return it."""
    total = sum(costs.values(), Decimal(0))
    latest = max(costs, default=None)
    _log.info("cost", usd=str(total), since=since.isoformat(), latest_billed=latest.isoformat() if latest else None)
    return total
