"""A server with data on disk, the gateway in a process of its own, and tables filled by the hundred thousand."""

import asyncio
import json
import socket
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from functions.callers import Caller
from functions.database import Database
from functions.failures import DatabaseUnavailable
from infra.local.bootstrap import bootstrap
from infra.local.gateway import Keys
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.migrations import migrate

# A specification of the usual size, with words that differ by number.
SESSIONS = """
insert into public.sessions (user_id, prompt, status, current_ir, generated_code, created_at)
select
  owner,
  'Write a function that reverses the words of sentence ' || i % 100 || ' and keeps its punctuation in place',
  case when i % 10 = 0 then 'abandoned' else 'active' end,
  jsonb_build_object(
    'intent', jsonb_build_object('summary', 'Reverse the words of sentence number ' || i % 100),
    'signature', jsonb_build_object('name', 'reverse_words', 'parameters', '[{"name": "text", "type": "str"}]'::jsonb),
    'assertions', (
      select jsonb_agg(jsonb_build_object('expression', 'len(result) == len(text)', 'rationale', repeat('r', 80)))
      from generate_series(1, 5)
    ),
    'holes', '[]'::jsonb
  ),
  repeat('    return " ".join(reversed(text.split()))' || chr(10), 10),
  now() - i * interval '1 minute' - random() * interval '1 minute'
from unnest($1::uuid[]) as owners (owner), generate_series(1, $2) as i
"""

# 200 clusters, as the meanings of texts make them.
EMBEDDINGS = """
with centres as (
  select c, array(select random() - 0.5 from generate_series(1, 384) where c > 0) as centre
  from generate_series(1, 200) as c
)
insert into public.session_embeddings (session_id, user_id, version, model, embedding)
select s.id, s.user_id, 1, 'bench', (
  select array_agg(x + (random() - 0.5) * 0.7) from unnest(centre) as x where s.id is not null
)::extensions.vector
from (select *, 1 + (row_number() over ())::integer % 200 as cluster from public.sessions where user_id = $1) as s
join centres on c = s.cluster
"""


@dataclass(frozen=True, eq=False)
class Stack:
    """What a benchmark needs of it."""

    postgres: EmbeddedPostgres
    keys: Keys
    url: str
    database: Database

    @property
    def anon_key(self) -> str:
        return self.keys.anon_key

    def token(self, user_id: str, **claims: Any) -> str:
        now = int(time.time())
        usual = {"sub": user_id, "role": "authenticated", "aud": "authenticated", "iat": now, "exp": now + 3600}
        return self.keys.sign(usual | claims)

    async def caller(self) -> Caller:
        user_id = str(uuid.uuid4())
        await self.execute("insert into auth.users (id, email) values ($1, $2)", uuid.UUID(user_id), f"{user_id}@b.org")
        return Caller(user_id, self.token(user_id), None, frozenset())

    async def execute(self, statement: str, *parameters: Any) -> None:
        """As the superuser, past triggers and foreign keys: what is measured is not how tables are filled."""
        connection = await asyncpg.connect(self.postgres.dsn(user=SUPERUSER))
        try:
            await connection.execute("set session_replication_role = replica")
            await connection.execute(statement, *parameters)
        finally:
            await connection.close()

    async def insert_sessions(self, user_id: str, count: int) -> None:
        await self.execute(SESSIONS, [uuid.UUID(user_id)], count)
        await self.execute("vacuum analyze public.sessions")

    async def insert_sessions_of_others(self, users: int, each: int) -> None:
        others = [uuid.uuid4() for _ in range(users)]
        for start in range(0, users, 100):
            await self.execute(SESSIONS, others[start : start + 100], each)
        await self.execute("vacuum analyze public.sessions")

    async def insert_embeddings(self, user_id: str, count: int) -> None:
        await self.insert_sessions(user_id, count)
        await self.execute("drop index public.session_embeddings_cosine_idx")
        await self.execute(EMBEDDINGS, uuid.UUID(user_id))
        await self.execute("set maintenance_work_mem = '1GB'")
        await self.execute(
            "create index session_embeddings_cosine_idx on public.session_embeddings"
            " using hnsw (embedding extensions.vector_cosine_ops) with (m = 16, ef_construction = 128)"
        )
        await self.execute("vacuum analyze public.session_embeddings")

    async def embeddings_near(self, user_id: str, count: int) -> list[list[float]]:
        """Questions: stored vectors, each moved a little."""
        connection = await asyncpg.connect(self.postgres.dsn(user=SUPERUSER))
        try:
            rows = await connection.fetch(
                "select array(select x + (random() - 0.5) * 0.3 from unnest(embedding::real[]) as x)::text as vector"
                " from public.session_embeddings where user_id = $1 order by session_id limit $2",
                uuid.UUID(user_id),
                count,
            )
        finally:
            await connection.close()
        return [json.loads(row["vector"].replace("{", "[").replace("}", "]")) for row in rows]


@asynccontextmanager
async def started(directory: Path) -> AsyncIterator[Stack]:
    postgres = EmbeddedPostgres(directory / "postgres")
    postgres.start()
    try:
        await bootstrap(postgres)
        await migrate(postgres.dsn())
        keys = Keys.kept_in(directory / "supabase-keys.json")
        port = free_port()
        gateway = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "infra.local.gateway", "--directory", str(directory),
            "--port", str(port), "--postgres-port", str(postgres.port),
        )  # fmt: skip
        database = Database(f"http://127.0.0.1:{port}", keys.anon_key, timeout_s=30)
        try:
            await _reachable(database)
            yield Stack(postgres, keys, f"http://127.0.0.1:{port}", database)
        finally:
            await database.close()
            gateway.terminate()
            await gateway.wait()
    finally:
        postgres.stop()


@asynccontextmanager
async def answering_at_once(body: str = "true") -> AsyncIterator[str]:
    """Base URL of an idle server, in a process of its own, that answers `body`, which is JSON."""
    script = Path(__file__).with_name("idle_server.py")
    pipe = asyncio.subprocess.PIPE
    server = await asyncio.create_subprocess_exec(sys.executable, str(script), body, stdin=pipe, stdout=pipe)
    assert server.stdin
    assert server.stdout
    try:
        yield f"http://127.0.0.1:{int(await server.stdout.readline())}"
    finally:
        server.stdin.close()
        await server.wait()


async def _reachable(database: Database) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await database.ping()
            except DatabaseUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


def free_port() -> int:
    """One that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
