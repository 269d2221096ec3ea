import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest
from httpx_aiohttp import AiohttpTransport
from postgrest import AsyncPostgrestClient
from postgrest.exceptions import APIError

from infra.local.gateway import Gateway, Keys
from infra.local.gateway.server import REST_CONNECTIONS
from tests.database_fixtures import Stack, execute

FUNCTIONS = """
create type public.point_in_plane as (x integer, y integer);
create table public.notes (id integer primary key, text text);
alter table public.notes enable row level security;

create function add(a integer, b integer default 10) returns integer language sql immutable
  as $$ select a + b $$;
create function echo(value jsonb) returns jsonb language sql as $$ select value $$;
create function nothing() returns integer language sql as $$ select null::integer $$;
create function do_nothing() returns void language plpgsql as $$ begin end $$;
create function words(text text) returns setof text language sql as $$ select regexp_split_to_table(text, ' ') $$;
create function point(x integer, y integer) returns point_in_plane language sql as $$ select x, y $$;
create function points(n integer) returns table (x integer, y integer) language sql
  as $$ select i, i * i from generate_series(1, n) as i $$;
create function sum_of(variadic numbers integer[]) returns bigint language sql
  as $$ select sum(n) from unnest(numbers) as n $$;
create function who() returns jsonb language sql stable
  as $$ select jsonb_build_object('role', current_user, 'uid', auth.uid(), 'email', auth.email()) $$;
create function caller_address() returns text language sql stable
  as $$ select current_setting('request.headers', true)::jsonb ->> 'x-forwarded-for' $$;
create function timeouts() returns text language sql stable as $$ select current_setting('statement_timeout') $$;
create function patient() returns text language sql stable set statement_timeout = '7s'
  as $$ select current_setting('statement_timeout') $$;
create function fail(state text, message text default 'told') returns void language plpgsql
  as $$ begin raise exception using errcode = state, message = message, detail = 'why', hint = 'do'; end $$;
create function fail_in_full() returns void language plpgsql as $$ begin
  raise sqlstate 'PGRST' using
    message = '{"code": "teapot", "message": "short and stout"}',
    detail = '{"status": 418, "headers": {"X-Spout": "here"}}';
end $$;
create function note(id integer) returns void language sql as $$ insert into notes values (id, 'x') $$;
create function note_as_owner(id integer) returns void language sql security definer
  as $$ insert into public.notes values (id, 'x') $$;
create function write_while_stable() returns void language plpgsql stable security definer
  as $$ begin execute 'insert into public.notes values (1)'; end $$;
create function sleep(seconds float) returns void language sql as $$ select pg_sleep(seconds) $$;
create function end_connection() returns void language sql security definer
  as $$ select pg_terminate_backend(pg_backend_pid()) $$;
create function twice(a integer) returns integer language sql as $$ select a $$;
create function twice(a text) returns integer language sql as $$ select 1 $$;
"""


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    await execute(stack.dsn, FUNCTIONS)
    async with httpx.AsyncClient(base_url=stack.url, transport=AiohttpTransport(), timeout=30) as client:
        yield client


@pytest.fixture
def client(stack: Stack, http: httpx.AsyncClient) -> AsyncPostgrestClient:
    headers = {"apikey": stack.anon_key, "Authorization": f"Bearer {stack.anon_key}"}
    return AsyncPostgrestClient(f"{stack.url}/rest/v1", headers=headers, http_client=http)


async def post(
    stack: Stack, http: httpx.AsyncClient, function: str, token: str | None = None, **arguments: Any
) -> httpx.Response:
    headers = {"apikey": stack.anon_key} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await http.post(f"/rest/v1/rpc/{function}", headers=headers, json=arguments)


async def sleeping(stack: Stack) -> int:
    connection = await asyncpg.connect(stack.dsn)
    try:
        where = "datname = current_database() and wait_event = 'PgSleep'"
        count: int = await connection.fetchval(f"select count(*) from pg_stat_activity where {where}")  # noqa: S608 - a constant
    finally:
        await connection.close()
    return count


@pytest.mark.parametrize(
    ("function", "arguments", "result"),
    [
        ("add", {"a": 1, "b": 2}, 3),
        ("add", {"a": 1}, 11),
        ("add", {"a": "7"}, 17),
        (
            "echo",
            {"value": {"ü": [1.5, None, "'; drop table notes; --"]}},
            {"ü": [1.5, None, "'; drop table notes; --"]},
        ),
        ("nothing", {}, None),
        ("words", {"text": "to be or not"}, ["to", "be", "or", "not"]),
        ("point", {"x": 1, "y": 2}, {"x": 1, "y": 2}),
        ("points", {"n": 2}, [{"x": 1, "y": 1}, {"x": 2, "y": 4}]),
        ("points", {"n": 0}, []),
        ("sum_of", {"numbers": [1, 2, 3]}, 6),
    ],
)
async def test_results_come_as_postgrest_shapes_them(
    client: AsyncPostgrestClient, function: str, arguments: dict[str, Any], result: Any
):
    assert (await client.rpc(function, arguments).execute()).data == result


async def test_a_function_without_a_result_answers_204(stack: Stack, http: httpx.AsyncClient):
    response = await post(stack, http, "do_nothing")
    assert (response.status_code, response.content) == (204, b"")


async def test_a_single_row_is_an_object_when_asked_for_one(client: AsyncPostgrestClient):
    one = await client.rpc("points", {"n": 1}).single().execute()
    assert one.data == {"x": 1, "y": 1}
    with pytest.raises(APIError) as caught:
        await client.rpc("points", {"n": 2}).single().execute()
    assert (caught.value.code, caught.value.details) == ("PGRST116", "The result contains 2 rows")


async def test_the_database_sees_the_caller(stack: Stack, http: httpx.AsyncClient):
    user = await stack.user("ada@example.com")
    assert (await post(stack, http, "who")).json() == {"role": "anon", "uid": None, "email": None}
    as_user = await post(stack, http, "who", user.token)
    assert as_user.json() == {"role": "authenticated", "uid": user.id, "email": "ada@example.com"}
    as_service = await post(stack, http, "who", stack.service_role_key)
    assert as_service.json()["role"] == "service_role"


async def test_one_request_leaves_nothing_for_the_next(stack: Stack, http: httpx.AsyncClient):
    user = await stack.user()
    for _ in range(25):  # more than there are connections
        await post(stack, http, "who", user.token)
    assert (await post(stack, http, "who")).json()["uid"] is None


async def test_headers_reach_the_database(stack: Stack, http: httpx.AsyncClient):
    headers = {"apikey": stack.anon_key, "X-Forwarded-For": "203.0.113.7"}
    response = await http.post("/rest/v1/rpc/caller_address", headers=headers)
    assert response.json() == "203.0.113.7"


async def test_timeouts_are_those_of_the_role_and_of_the_function(stack: Stack, http: httpx.AsyncClient):
    assert (await post(stack, http, "timeouts")).json() == "3s"
    assert (await post(stack, http, "timeouts", stack.token("7b0f0b0e-0000-4000-8000-000000000000"))).json() == "8s"
    assert (await post(stack, http, "patient")).json() == "7s"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("P0001", 400),
        ("PT402", 402),
        ("PT404", 404),
        ("PT409", 409),
        ("PT412", 412),
        ("PT429", 429),
        ("PTXYZ", 500),
        ("23505", 409),
        ("23503", 409),
        ("23514", 400),
        ("22P02", 400),
        ("40001", 500),
        ("57014", 500),
        ("53300", 503),
        ("57P01", 503),
        ("P0002", 500),
        ("28000", 403),
        ("XX000", 500),
        ("42883", 404),
    ],
)
async def test_errors_have_postgrests_status_and_body(stack: Stack, http: httpx.AsyncClient, state: str, status: int):
    response = await post(stack, http, "fail", state=state)
    assert response.status_code == status
    assert response.json() == {"code": state, "message": "told", "details": "why", "hint": "do"}


async def test_a_function_may_give_the_whole_answer(stack: Stack, http: httpx.AsyncClient):
    response = await post(stack, http, "fail_in_full")
    assert (response.status_code, response.headers["x-spout"]) == (418, "here")
    assert response.json()["code"] == "teapot"


async def test_missing_rights_are_401_for_nobody_and_403_for_somebody(stack: Stack, http: httpx.AsyncClient):
    anonymous = await post(stack, http, "note", id=1)
    assert (anonymous.status_code, anonymous.headers["www-authenticate"]) == (401, "Bearer")
    known = await post(stack, http, "note", (await stack.user()).token, id=1)
    assert known.status_code == 403
    assert {anonymous.json()["code"], known.json()["code"]} == {"42501"}


async def test_a_failed_call_changes_nothing(stack: Stack, http: httpx.AsyncClient):
    assert (await post(stack, http, "note_as_owner", id=1)).status_code == 204
    assert (await post(stack, http, "note_as_owner", id=1)).json()["code"] == "23505"
    assert (await post(stack, http, "write_while_stable")).json()["code"] == "0A000"


@pytest.mark.parametrize(("function", "arguments"), [("nope", {}), ("add", {"a": 1, "c": 2}), ("add", {"b": 2})])
async def test_an_unknown_function_is_404(
    stack: Stack, http: httpx.AsyncClient, function: str, arguments: dict[str, Any]
):
    response = await post(stack, http, function, **arguments)
    assert (response.status_code, response.json()["code"]) == (404, "PGRST202")


async def test_a_function_is_known_as_soon_as_it_exists(stack: Stack, http: httpx.AsyncClient):
    assert (await post(stack, http, "late")).status_code == 404
    await execute(stack.dsn, "create function late() returns text language sql as $$ select 'here' $$")
    assert (await post(stack, http, "late")).json() == "here"


async def test_a_function_that_was_replaced_is_found_again(stack: Stack, http: httpx.AsyncClient):
    assert (await post(stack, http, "add", a=1)).json() == 11
    await execute(
        stack.dsn, "drop function add; create function add(a jsonb) returns text language sql as $$ select a ->> 0 $$"
    )
    assert (await post(stack, http, "add", a=["x"])).status_code in {400, 404}  # what the old one said, once
    assert (await post(stack, http, "add", a=["x"])).json() == "x"


async def test_a_choice_of_functions_is_refused(stack: Stack, http: httpx.AsyncClient):
    response = await post(stack, http, "twice", a=1)
    assert (response.status_code, response.json()["code"]) == (300, "PGRST203")


@pytest.mark.parametrize("body", [b"{", b"[1]", b'"x"', b"\xff"])
async def test_a_body_that_is_no_object_is_refused(stack: Stack, http: httpx.AsyncClient, body: bytes):
    response = await http.post("/rest/v1/rpc/add", headers={"apikey": stack.anon_key}, content=body)
    assert (response.status_code, response.json()["code"]) == (400, "PGRST102")


async def test_filters_are_refused_rather_than_passed_over(client: AsyncPostgrestClient):
    with pytest.raises(APIError, match="takes no filters"):
        await client.rpc("points", {"n": 3}).eq("x", 1).execute()


async def test_tokens_must_be_whole_ours_and_of_this_time(stack: Stack, http: httpx.AsyncClient):
    me = "7b0f0b0e-0000-4000-8000-000000000000"
    foreign = Keys.generate().sign({"sub": me, "role": "service_role", "exp": time.time() + 60})
    unsigned = "eyJhbGciOiJub25lIn0.eyJyb2xlIjoic2VydmljZV9yb2xlIn0."
    cases = {
        stack.token(me, lifetime_s=-60): "PGRST303",
        stack.token(me, nbf=int(time.time()) + 600): "PGRST303",
        stack.token(me, exp="soon"): "PGRST303",
        foreign: "PGRST301",
        unsigned: "PGRST301",
        "lsk_not_a_token": "PGRST301",
    }
    for token, code in cases.items():
        response = await post(stack, http, "who", token)
        assert (response.status_code, response.json()["code"]) == (401, code), token
        assert response.headers["www-authenticate"].startswith('Bearer error="invalid_token"')
    nobody = await post(stack, http, "who", stack.token(me, role="supabase_admin"))
    assert nobody.status_code == 403


async def test_a_request_needs_one_of_the_api_keys(stack: Stack, http: httpx.AsyncClient):
    without = await http.post("/rest/v1/rpc/who")
    assert (without.status_code, without.json()["message"]) == (401, "No API key found in request")
    for key in ("x", stack.token("7b0f0b0e-0000-4000-8000-000000000000"), Keys.generate().anon_key):
        wrong = await http.post("/rest/v1/rpc/who", headers={"apikey": key})
        assert (wrong.status_code, wrong.json()["message"]) == (401, "Invalid API key")


async def test_a_lost_connection_is_503_and_the_next_request_works(stack: Stack, http: httpx.AsyncClient):
    lost = await post(stack, http, "end_connection")
    assert lost.status_code == 503
    assert (await post(stack, http, "add", a=1)).json() == 11


async def test_a_connection_that_the_driver_lost_track_of_is_503_and_not_used_again(
    stack: Stack, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
):
    async def confused(*_: object, **__: object) -> None:
        raise asyncpg.InternalClientError("got result for unknown protocol state 3")

    assert (await post(stack, http, "add", a=1)).json() == 11
    with monkeypatch.context() as patched:
        patched.setattr(asyncpg.Connection, "fetchrow", confused)
        lost = await post(stack, http, "add", a=1)
    assert (lost.status_code, lost.json()["code"]) == (503, "PGRST001")
    assert (await post(stack, http, "add", a=1)).json() == 11


@pytest.mark.parametrize("path", ["/rest/v1/rpc/add", "/auth/v1/token?grant_type=password"])
async def test_a_client_that_leaves_in_the_middle_of_its_request_leaves_no_trace(
    stack: Stack, http: httpx.AsyncClient, path: str, caplog: pytest.LogCaptureFixture
):
    for _ in range(3):
        _, writer = await asyncio.open_connection("127.0.0.1", stack.gateway.port)
        head = f"POST {path} HTTP/1.1\r\nhost: x\r\napikey: {stack.anon_key}\r\ncontent-length: 100\r\n\r\n"
        writer.write(head.encode() + b'{"a":')
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
    assert (await post(stack, http, "add", a=1)).json() == 11
    assert not [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}]


async def test_clients_that_leave_while_their_call_runs_cost_no_connection(stack: Stack, http: httpx.AsyncClient):
    for _ in range(3):
        calls = [asyncio.create_task(post(stack, http, "sleep", seconds=0.2)) for _ in range(REST_CONNECTIONS)]
        await asyncio.sleep(0.05)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
    assert (await post(stack, http, "add", a=1)).json() == 11


async def test_no_free_connection_is_504(stack: Stack, http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch):
    holders = [asyncio.create_task(post(stack, http, "sleep", seconds=2)) for _ in range(REST_CONNECTIONS)]
    while await sleeping(stack) < REST_CONNECTIONS:  # noqa: ASYNC110 - it happens in the database
        await asyncio.sleep(0.02)
    monkeypatch.setattr("infra.local.gateway.rest.ACQUIRE_TIMEOUT_S", 0.05)
    late = await post(stack, http, "add", a=1)
    assert (late.status_code, late.json()["code"]) == (504, "PGRST003")
    await asyncio.gather(*holders)


async def test_no_database_is_503():
    nowhere = "postgresql://nobody:secret@127.0.0.1:1/nothing"
    gateway = Gateway(rest_dsn=nowhere, auth_dsn=nowhere, keys=Keys.generate())
    headers = {"apikey": gateway.keys.anon_key}
    async with gateway.running(), httpx.AsyncClient(base_url=gateway.url, headers=headers) as client:
        call = await client.post("/rest/v1/rpc/anything")
        assert (call.status_code, call.json()["code"]) == (503, "PGRST000")
        for path in ("/health", "/auth/v1/token?grant_type=password"):
            response = await client.request("GET" if path == "/health" else "POST", path, json={"email": "a@b.c"})
            assert response.status_code == 503, response.text
            assert "secret" not in response.text
