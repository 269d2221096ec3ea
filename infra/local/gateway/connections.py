"""Connections to the database: opened when they are needed, and again after it was away."""

from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

CONNECT_TIMEOUT_S = 5.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

NO_CONNECTION = (OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.CannotConnectNowError)


def pool(dsn: str, size: int) -> Pool:
    """To be entered before use. `size` is the most connections at once."""
    return asyncpg.create_pool(dsn, min_size=0, max_size=size, timeout=CONNECT_TIMEOUT_S, reset=_nothing_to_reset)


async def _nothing_to_reset(connection: Connection) -> None:
    """All settings are made for one transaction: a round trip less for each request."""
