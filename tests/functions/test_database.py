"""The client's own behaviour: what is repeated, what is not, and what callers are told when there is no database.

A socket that answers as told stands for what goes wrong between here and PostgREST; the rest is the real gateway.
"""

import asyncio
import json

import pytest

from functions.callers import Caller
from functions.database import Database
from functions.database_failures import UnexpectedDatabaseError
from functions.failures import DatabaseUnavailable, Failure, Refused, Unauthenticated
from tests.answering_database import answering
from tests.database_fixtures import Stack, execute


async def test_a_ping_says_how_long_it_took(data: Database):
    assert 0 < await data.ping() < 10


async def test_a_call_that_may_be_repeated_is_when_its_connection_breaks():
    async with answering(lambda n: None if n == 1 else (200, b"true")) as (database, requests):
        assert await database.call("f", idempotent=True) is True
        assert len(requests) == 2


async def test_a_call_that_may_not_be_repeated_is_not():
    async with answering(lambda n: None if n == 1 else (200, b"true")) as (database, requests):
        with pytest.raises(DatabaseUnavailable):
            await database.call("f")
        assert len(requests) == 1


async def test_a_call_is_repeated_once_and_no_more():
    async with answering(lambda _: None) as (database, requests):
        with pytest.raises(DatabaseUnavailable):
            await database.call("f", idempotent=True)
        assert len(requests) == 2


async def test_what_lost_a_race_in_the_database_is_repeated_even_if_it_writes():
    deadlock = json.dumps({"code": "40P01", "message": "deadlock detected", "details": None, "hint": None}).encode()
    async with answering(lambda n: (500, deadlock) if n == 1 else (200, b"1")) as (database, requests):
        assert await database.call("f") == 1
        assert len(requests) == 2


@pytest.mark.parametrize(
    ("status", "body", "failure"),
    [
        (503, b'{"message": "name resolution failed"}', DatabaseUnavailable),
        (502, b"<html>Bad Gateway</html>", DatabaseUnavailable),
        (500, b"Internal Server Error", DatabaseUnavailable),
        (429, b'{"message": "too many requests"}', DatabaseUnavailable),
        (504, b'{"code": "PGRST003", "message": "pool", "details": null, "hint": null}', DatabaseUnavailable),
        (500, b'{"code": "57014", "message": "statement timeout"}', DatabaseUnavailable),
        (404, b'{"code": "PGRST202", "message": "no function"}', DatabaseUnavailable),
        (401, b'{"code": "PGRST303", "message": "JWT expired"}', Unauthenticated),
        (400, b'{"code": "23514", "message": "violates check"}', Refused),
        (500, b'{"code": "XX000", "message": "internal"}', UnexpectedDatabaseError),
        (400, b"[]", UnexpectedDatabaseError),
    ],
)
async def test_what_callers_are_told(status: int, body: bytes, failure: type[Failure]):
    async with answering(lambda _: (status, body)) as (database, _):
        with pytest.raises(failure):
            await database.call("f", token="t")


async def test_a_page_that_is_not_the_databases_is_no_answer_of_it():
    async def somebody_else(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<html>It works!</html>"
        head = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: text/html\r\ncontent-length: %d\r\n\r\n"
        writer.write(head % len(page) + page)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(somebody_else, "127.0.0.1", 0)
    database = Database(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "anon-key", timeout_s=1)
    with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
        await database.call("f", token="t")
    await database.close()
    server.close()
    await server.wait_closed()


async def test_a_database_that_says_nothing_is_given_up_on():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    database = Database(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", "anon-key", timeout_s=0.05)
    with pytest.raises(DatabaseUnavailable, match=r"0\.05 s|ReadTimeout"):
        await database.call("f", idempotent=True)
    await database.close()
    server.close()


async def test_a_port_where_nobody_listens_is_unavailable():
    database = Database("http://127.0.0.1:9", "anon-key")
    with pytest.raises(DatabaseUnavailable):
        await database.ping()
    await database.close()


async def test_tokens_and_cookies_stay_with_their_request():
    async with answering(lambda _: (200, b"true")) as (database, requests):
        for token in ("alices", None):
            await database.call("f", token=token)
    assert b"Bearer alices" in requests[0]
    assert b"Bearer anon-key" in requests[1]
    assert all(b"cookie" not in head.lower().replace(b"set-cookie", b"") for head in requests)


async def test_a_function_that_is_not_there_asks_for_the_migrations(data: Database):
    with pytest.raises(DatabaseUnavailable, match="migrations"):
        await data.call("no_such_function")


async def test_a_token_that_does_not_hold_is_unauthenticated(data: Database, stack: Stack, alice: Caller):
    for token in ("nonsense", stack.token(alice.user_id, lifetime_s=-3600)):
        with pytest.raises(Unauthenticated):
            await data.call("get_profile", token=token)


async def test_calls_work_again_after_every_connection_was_cut(data: Database, stack: Stack, alice: Caller):
    await data.call("get_profile", token=alice.token)
    statement = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'authenticator'"
    await execute(stack.postgres.dsn(stack.database), statement)
    assert await data.call("list_api_keys", token=alice.token, idempotent=True) == []
