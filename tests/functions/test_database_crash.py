"""Postgres killed in the middle of writes: what was acknowledged is there, what was not is absent or whole."""

import asyncio
import os
import random
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import pytest

from functions.callers import Caller
from functions.database import Database
from functions.failures import DatabaseUnavailable, NotFound
from functions.ledger import Ledger, Outcome
from functions.sessions import NewSession, SessionChanges, SessionStore
from infra.local.bootstrap import bootstrap
from infra.local.gateway import Gateway
from infra.local.postgres import EmbeddedPostgres
from infra.migrations import migrate
from tests.data_fixtures import WIDE, People, work
from tests.database_fixtures import KEYS, Stack

WRITERS = 10
ACKNOWLEDGED = 1000
KILLED_AT = (200, 600)


@pytest.fixture
def mortal_postgres() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="lift-sys-crash-") as directory:
        Path(directory).chmod(0o711)  # as root, the server runs as another user, who has to get through
        postgres = EmbeddedPostgres(Path(directory) / "postgres", durable=False)
        postgres.start()
        yield postgres
        postgres.stop()


@pytest.fixture
async def mortal(mortal_postgres: EmbeddedPostgres) -> AsyncIterator[Stack]:
    """A stack whose Postgres belongs to this test, and is started again whenever it dies."""
    await bootstrap(mortal_postgres)
    await migrate(mortal_postgres.dsn())
    gateway = Gateway(
        rest_dsn=mortal_postgres.dsn(user="authenticator"),
        auth_dsn=mortal_postgres.dsn(user="supabase_auth_admin"),
        keys=KEYS,
    )
    restarts = asyncio.create_task(mortal_postgres.keep_running(interval_s=0.05))
    async with gateway.running():
        yield Stack(gateway, mortal_postgres, "postgres")
    restarts.cancel()


@dataclass
class Writer:
    """Writes one session after another, and knows for each what it was told."""

    caller: Caller
    sessions: SessionStore
    ledger: Ledger
    acknowledged: dict[str, int] = field(default_factory=dict)  # session: version
    in_doubt: dict[str, int] = field(default_factory=dict)  # session: version that an unanswered write would have made
    deleted: set[str] = field(default_factory=set)
    settled: list[str] = field(default_factory=list)

    async def write(self, dice: random.Random) -> int:
        """One write; how many were acknowledged. After one in doubt, goes on with what the database says."""
        try:
            return await self._one(dice)
        except DatabaseUnavailable:
            await asyncio.sleep(0.05)
            return 0

    async def _one(self, dice: random.Random) -> int:
        deed = dice.choice(["create", "save", "save", "save", "delete", "spend"])
        known = [one for one in self.acknowledged if one not in self.in_doubt]
        if deed == "spend":
            reservation = await self.ledger.admit(self.caller, work(0.01))
            await self.ledger.settle(self.caller, reservation.id, Outcome(0.01))
            self.settled.append(reservation.id)
            return 2
        if deed == "create" or not known:
            session = await self.sessions.create(self.caller, NewSession(prompt="version 1"))
            self.acknowledged[session.id] = 1
            return 1
        session_id = dice.choice(known)
        version = self.acknowledged[session_id]
        self.in_doubt[session_id] = version + 1
        if deed == "delete":
            await self.sessions.delete(self.caller, session_id, expected_version=version)
            self.deleted.add(session_id)
            del self.acknowledged[session_id]
        else:
            changes = SessionChanges(prompt=f"version {version + 1}")
            await self.sessions.save(self.caller, session_id, expected_version=version, changes=changes)
            self.acknowledged[session_id] = version + 1
        del self.in_doubt[session_id]
        return 1


async def test_nothing_acknowledged_is_lost_and_nothing_is_half_there(mortal: Stack):
    database = Database(mortal.url, mortal.anon_key)
    people = People(mortal)
    sessions, ledger = SessionStore(database), Ledger(database, people.acting, WIDE)
    writers = [Writer(await people.new(), sessions, ledger) for _ in range(WRITERS)]
    total = 0
    kills = list(KILLED_AT)

    async def work_on(writer: Writer, dice: random.Random) -> None:
        nonlocal total
        while total < ACKNOWLEDGED:
            acknowledged = await writer.write(dice)
            total += acknowledged  # not in one: `total` would be read before the others write theirs
            if kills and total >= kills[0]:
                del kills[0]
                if (pid := mortal.postgres.pid) is not None:
                    os.kill(pid, signal.SIGKILL)

    async with asyncio.timeout(120):
        await asyncio.gather(*(work_on(writer, random.Random(i)) for i, writer in enumerate(writers)))
    assert kills == []

    for writer in writers:
        for session_id, version in writer.acknowledged.items():
            try:
                found = await sessions.get(writer.caller, session_id)
            except NotFound:
                assert session_id in writer.in_doubt, "an acknowledged session is gone"
            else:
                possible = {version, writer.in_doubt.get(session_id, version)}
                assert found.version in possible
                assert found.prompt == f"version {found.version}"
        for session_id in writer.deleted:
            with pytest.raises(NotFound):
                await sessions.get(writer.caller, session_id)
    await _assert_whole(mortal.dsn, [reservation for writer in writers for reservation in writer.settled])
    await database.close()


async def _assert_whole(dsn: str, settled: list[str]) -> None:
    """Every session with all its versions and events, every budget the sum of its reservations."""
    connection = await asyncpg.connect(dsn)
    try:
        assert await connection.fetch("""
            select s.id from public.sessions as s
            where s.version <> (select count(*) from public.session_history as h where h.session_id = s.id)
              or s.version <> (select count(*) from public.analytics_events as e where e.session_id = s.id)
              or s.prompt <> (
                select h.prompt from public.session_history as h where h.session_id = s.id and h.version = s.version
              )
        """) == []  # fmt: skip
        assert await connection.fetch("""
            select b.user_id from public.budgets as b
            where (b.spent_usd, b.reserved_usd) is distinct from (
              select (sum(g.cost_usd), coalesce(sum(g.estimated_usd) filter (where g.state = 'reserved'), 0))
              from public.generations as g where b.id = any (g.budget_ids)
            )
        """) == []  # fmt: skip
        rows = await connection.fetch("select id::text from public.generations where state = 'settled'")
        assert {row["id"] for row in rows} >= set(settled)
    finally:
        await connection.close()
