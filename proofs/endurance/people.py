"""The users of the endurance proof: each with two API keys, an access token, and a limit of what runs at once."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import httpx

from infra.local.postgres import SUPERUSER
from proofs.product import UNLIMITED, Product

USERS = 10
CLIENTS_EACH = 20
AT_ONCE = CLIENTS_EACH
GREEDY = 0
"""This user has twice as many clients as others; at once it may run as much as they."""
KEYS_EACH = 2


@dataclass(frozen=True)
class Person:
    """`credentials` are used in turn."""

    user_id: str
    credentials: tuple[str, ...]


async def people(server: Product, count: int = USERS, at_once: int = AT_ONCE) -> list[Person]:
    """New users, each limited to `at_once` generations at a time and to nothing else that the proof would meet."""
    ids = [await server.user() for _ in range(count)]
    await _limit(server, ids, at_once)
    return [Person(user_id, await _credentials(server, user_id)) for user_id in ids]


async def _credentials(server: Product, user_id: str) -> tuple[str, ...]:
    token = server.token(user_id)
    keys = []
    async with httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=60) as client:
        for number in range(KEYS_EACH):
            body = {"name": f"endurance {number}", "scopes": ["generate"]}
            made = await client.post("/api/keys", json=body, headers={"authorization": f"Bearer {token}"})
            made.raise_for_status()
            keys.append(made.json()["key"])
    return (*keys, token)


async def _limit(server: Product, ids: Sequence[str], at_once: int) -> None:
    connection = await asyncpg.connect(server.postgres.dsn(user=SUPERUSER))
    try:
        limits = json.dumps(UNLIMITED | {"concurrent": at_once})
        change = "update public.profiles set limits = $1::jsonb where id = any($2)"
        await connection.execute(change, limits, [uuid.UUID(user_id) for user_id in ids])
    finally:
        await connection.close()
