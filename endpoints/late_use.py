"""For a scheduled job: what web servers noted in an outage of the database and have left is booked."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from endpoints.acting import ActingTokens
from endpoints.composition import signer_of
from functions.database import Database
from functions.degraded_mode import DegradedMode
from functions.ledger import Ledger
from functions.usage_outbox import UsageOutbox
from infra.settings import Secrets, Settings


async def book_late_use(settings: Settings, secrets: Secrets, kept: Callable[[], Awaitable[None]]) -> int:
    """Book what the outbox has, of servers that are gone too; how many entries it has no longer.

    `kept` is awaited after each change, where a disk alone keeps nothing. Does nothing without degraded mode. What
    cannot be booked yet stays. Raises `OSError` where the outbox cannot be read, or not be kept.
    """
    wanted = settings.availability.degraded
    if not wanted.enabled:
        return 0
    outbox = UsageOutbox(Path(wanted.outbox_directory), wanted.outbox_entries, kept=kept)
    before = len(outbox)
    database = Database(str(secrets.supabase_url), secrets.supabase_anon_key.get_secret_value())
    try:
        ledger = Ledger(database, ActingTokens(signer_of(secrets)).token, settings.limits)
        return before - await DegradedMode(wanted, ledger, outbox).drain()
    finally:
        await database.close()
