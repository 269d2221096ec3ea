"""A socket that answers as told, for what goes wrong between here and PostgREST."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from functions.database import Database

Answer = tuple[int, bytes] | None


@asynccontextmanager
async def answering(answer: Callable[[int], Answer]) -> AsyncIterator[tuple[Database, list[bytes]]]:
    """A database behind a socket: request number n is answered with `answer(n)`; None closes the connection."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        requests.append(head)
        told = answer(len(requests))
        if told is not None:
            status, body = told
            writer.write(b"HTTP/1.1 %d X\r\nconnection: close\r\ncontent-length: %d\r\n" % (status, len(body)))
            writer.write(b"set-cookie: mine=1\r\ncontent-type: application/json\r\n\r\n" + body)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    database = Database(f"http://127.0.0.1:{port}", "anon-key", timeout_s=1)
    try:
        yield database, requests
    finally:
        await database.close()
        server.close()
        await server.wait_closed()
