"""What the scheduled functions do: the parts put together, from settings and secrets, with logs and a trace of each."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from functions.alert_deliveries import Outbox
from functions.billing import BillingReport, reconcile
from functions.cache import Store
from functions.costs import gpu_of, usd_per_hour
from functions.embeddings import Embedder
from functions.failures import DatabaseUnavailable
from functions.job_runs import JobRuns
from functions.maintenance import Job, run_job, service_database
from functions.monthly_report import report_last_month
from functions.watch import now, watch
from infra import telemetry
from infra import telemetry_names as names
from infra.logging_setup import configure_logging
from infra.settings import AlertSecrets, Secrets, Settings, load_telemetry_export
from infra.telemetry_export import exported

SHORT_S = 1800.0
"""Jobs of one call or two: as long as the platform lets any of them run."""


@asynccontextmanager
async def _told(settings: Settings, job: str) -> AsyncIterator[None]:
    """Logs and traces of a job's run are as the web tier's; what is left is sent at its end. Raises `SettingsError`."""
    configure_logging()
    with (
        exported("lift-sys-jobs", settings.environment, settings.telemetry, load_telemetry_export()),
        telemetry.span(names.JOB.format(job)),
    ):
        yield


async def maintain(
    settings: Settings,
    secrets: Secrets,
    job: Job,
    *,
    embedder: Embedder | None = None,
    book_late_use: Callable[[], Awaitable[int]] | None = None,
) -> dict[str, Any]:
    """See `functions.maintenance.run_job`."""
    async with _told(settings, job):
        return await run_job(job, secrets, settings.maintenance, embedder=embedder, book_late_use=book_late_use)


async def watch_over(
    settings: Settings,
    secrets: Secrets,
    alert_secrets: AlertSecrets,
    store: Store,
    count_engines: Callable[[], Awaitable[int]],
) -> None:
    """Every few minutes: judge the rules of alerts, deliver what they say, and note how many engines run.

    Raises `SettingsError`. A database that is away is itself the news.
    """
    async with _told(settings, "watch"), service_database(secrets) as (database, key):
        await watch(database, key, settings.alerts, alert_secrets, store, environment=settings.environment)
        arguments = {
            "p_environment": settings.environment,
            "p_gpu": gpu_of(settings),
            "p_containers": await count_engines(),
            "p_usd_per_hour": usd_per_hour(settings),
            "p_at": now().isoformat(),
        }
        with suppress(DatabaseUnavailable):
            await database.call("record_engine_sample", arguments, token=key, idempotent=True)


async def check_costs(settings: Settings, secrets: Secrets, report: BillingReport) -> None:
    """Every hour: store the platform's bill. Raises `SettingsError`, and what the report and the database raise."""
    async with (
        _told(settings, "cost_check"),
        service_database(secrets) as (database, key),
        JobRuns(database, key).run("cost_check", lease_s=SHORT_S) as done,
    ):
        if done is not None:
            changed = await reconcile(database, key, report, environment=settings.environment, at=now())
            done["changed_lines"] = changed


async def report_month(settings: Settings, secrets: Secrets, alert_secrets: AlertSecrets) -> None:
    """On the first of a month: the report of the one before. Raises `SettingsError`, and what the database raises."""
    async with (
        _told(settings, "monthly_report"),
        service_database(secrets) as (database, key),
        JobRuns(database, key).run("monthly_report", lease_s=SHORT_S) as done,
    ):
        if done is not None:
            outbox = Outbox(database, key, settings.alerts, alert_secrets, environment=settings.environment, clock=now)
            done["made"] = await report_last_month(database, key, settings, outbox, at=now())
            done["delivered"] = await outbox.empty()
