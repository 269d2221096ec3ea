"""Connections to the database: opened when they are needed, and again after it was away."""

from contextlib import suppress
from typing import TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

CONNECT_TIMEOUT_S = 5.0

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
PooledConnection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

# `InternalClientError`: the driver has lost track of a connection, as it may when the server dies under it.
LOST = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError, asyncpg.PostgresConnectionError)
NO_CONNECTION = (*LOST, asyncpg.CannotConnectNowError)


def pool(dsn: str, size: int) -> Pool:
    """To be entered before use. `size` is the most connections at once."""
    return asyncpg.create_pool(dsn, min_size=0, max_size=size, timeout=CONNECT_TIMEOUT_S, reset=_nothing_to_reset)


async def give_back(pool: Pool, connection: PooledConnection) -> None:
    """To the pool, or to nobody when it is of no use any more: the request that had it is answered either way."""
    try:
        await pool.release(connection)
    except LOST:
        abandon(connection)


def abandon(connection: PooledConnection) -> None:
    """Whatever state it is in, nobody else is to find it so."""
    with suppress(asyncpg.InterfaceError):  # it is closed already
        connection.terminate()


async def _nothing_to_reset(connection: Connection) -> None:
    """All settings are made for one transaction: a round trip less for each request."""
