"""What the scheduled functions do with bills, alerts and reports: the parts put together, from settings and secrets."""

from collections.abc import Awaitable, Callable
from contextlib import suppress

from functions.alert_deliveries import Outbox
from functions.billing import BillingReport, reconcile
from functions.cache import Store
from functions.costs import gpu_of, usd_per_hour
from functions.failures import DatabaseUnavailable
from functions.job_runs import JobRuns
from functions.maintenance import service_database
from functions.monthly_report import report_last_month
from functions.watch import now, watch
from infra.settings import AlertSecrets, Secrets, Settings

SHORT_S = 1800.0
"""Jobs of one call or two: as long as the platform lets any of them run."""


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
    async with service_database(secrets) as (database, key):
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
        service_database(secrets) as (database, key),
        JobRuns(database, key).run("cost_check", lease_s=SHORT_S) as done,
    ):
        if done is not None:
            changed = await reconcile(database, key, report, environment=settings.environment, at=now())
            done["changed_lines"] = changed


async def report_month(settings: Settings, secrets: Secrets, alert_secrets: AlertSecrets) -> None:
    """On the first of a month: the report of the one before. Raises `SettingsError`, and what the database raises."""
    async with (
        service_database(secrets) as (database, key),
        JobRuns(database, key).run("monthly_report", lease_s=SHORT_S) as done,
    ):
        if done is not None:
            outbox = Outbox(database, key, settings.alerts, alert_secrets, environment=settings.environment, clock=now)
            done["made"] = await report_last_month(database, key, settings, outbox, at=now())
            done["delivered"] = await outbox.empty()
