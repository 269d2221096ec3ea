"""What a server may answer that PostgREST on a laptop does not: over a socket that says it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest

from functions.database import Database
from functions.failures import DatabaseUnavailable
from functions.http_connection import HttpConnection

REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n"
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\ncontent-length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n"


@asynccontextmanager
async def answering(*answers: bytes, at_once: bool = False) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A server that reads a request's head for each of `answers`, all on one connection, and keeps that open."""
    heads: list[bytes] = []
    is_over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            if at_once:
                writer.write(answer)
            else:
                for byte in range(len(answer)):  # however it is cut
                    writer.write(answer[byte : byte + 1])
                    await asyncio.sleep(0)
            await writer.drain()
        await is_over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], heads
    finally:
        is_over.set()
        server.close()
        await server.wait_closed()


async def bodies(answers: Sequence[bytes], count: int) -> list[bytes]:
    async with answering(*answers) as (port, _):
        _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", port)
        try:
            return [(await connection.ask(REQUEST)).content for _ in range(count)]
        finally:
            connection.close()


async def test_answers_follow_each_other_on_one_connection():
    assert await bodies([WHOLE, CHUNKED, WHOLE], 3) == [b"ok"] * 3


async def test_an_early_hint_is_no_answer():
    assert await bodies([b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + WHOLE], 1) == [b"ok"]


async def test_what_is_no_http_is_a_transport_error():
    with pytest.raises(httpx.TransportError):
        await bodies([b"SSH-2.0-OpenSSH_9\r\n"], 1)


async def test_what_nobody_asked_for_is_not_taken_for_the_next_answer():
    async with answering(WHOLE + WHOLE, at_once=True) as (port, _):
        _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", port)
        await connection.ask(REQUEST)
        assert not connection.is_open


async def test_an_answer_that_says_so_is_the_last_on_its_connection():
    async with answering(WHOLE.replace(b"\r\n\r\n", b"\r\nconnection: close\r\n\r\n")) as (port, _):
        _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", port)
        assert (await connection.ask(REQUEST)).headers["content-type"] == "text/plain"
        assert not connection.is_open


async def test_a_request_that_nobody_waits_for_closes_its_connection():
    async with answering(b"") as (port, _):
        _, connection = await asyncio.get_running_loop().create_connection(HttpConnection, "127.0.0.1", port)
        asking = asyncio.create_task(connection.ask(REQUEST))
        await asyncio.sleep(0)  # it has been sent
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert not connection.is_open


async def test_a_token_cannot_bring_headers_of_its_own():
    async with answering(WHOLE) as (port, heads):
        database = Database(f"http://127.0.0.1:{port}", "anon-key", timeout_s=1)
        with pytest.raises(DatabaseUnavailable):
            await database.call("f", token="t\r\nx-more: 1")
        assert heads == []
        await database.close()
