import asyncio
import contextlib
import os
import pwd
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import pytest

from infra.local import postgres as postgres_module
from infra.local import postgres_files
from infra.local.postgres import SUPERUSER, EmbeddedPostgres
from infra.local.postgres_files import PostgresError
from infra.local.tied_process import NOT_STARTED, Account, tied
from tests.database_fixtures import scratch_directory

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


@pytest.fixture
def directory() -> Iterator[Path]:
    with scratch_directory() as parent:
        yield parent / "postgres"


@pytest.fixture
def server(directory: Path) -> Iterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    yield server
    server.stop()


async def query(server: EmbeddedPostgres, sql: str) -> Any:
    connection = await asyncpg.connect(server.dsn(user=SUPERUSER))
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


def ends(pid: int) -> bool:
    for _ in range(500):
        with contextlib.suppress(FileNotFoundError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                time.sleep(0.02)
                continue
        return True
    return False


async def test_what_is_stored_is_there_after_a_restart(server: EmbeddedPostgres):
    await query(server, "create table fruit as select 'apple' as name")
    dsn = server.dsn()
    server.stop()
    assert server.pid is None
    server.start()
    assert server.dsn() == dsn
    assert await query(server, "select name from fruit") == "apple"


async def test_starting_twice_is_starting_once(server: EmbeddedPostgres):
    pid = server.pid
    server.start()
    assert server.pid == pid
    server.stop()
    server.stop()


async def test_every_machine_sorts_searches_and_dates_alike(server: EmbeddedPostgres):
    assert await query(server, "show timezone") == "UTC"
    assert await query(server, "select 'B' collate \"default\" < 'a'")
    assert await query(server, "select to_tsvector('apples') @@ to_tsquery('apple')")


async def test_nobody_gets_in_without_the_password(server: EmbeddedPostgres):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(server.dsn(user=SUPERUSER).replace(server.password(), "guess"))
    assert (server.home / "password").stat().st_mode & 0o777 == 0o600
    assert server.home.stat().st_mode & 0o777 == 0o700


async def test_a_killed_server_keeps_what_was_committed_and_nothing_else(server: EmbeddedPostgres):
    await query(server, "create table fruit (name text)")
    await query(server, "insert into fruit values ('apple')")
    connection = await asyncpg.connect(server.dsn(user=SUPERUSER))
    await connection.execute("begin; insert into fruit values ('pear')")
    assert server.pid
    os.kill(server.pid, signal.SIGKILL)
    assert ends(server.pid or 0)
    server.start()
    assert await query(server, "select string_agg(name, ' ') from fruit") == "apple"
    connection.terminate()


async def test_a_server_that_dies_is_restarted(server: EmbeddedPostgres):
    keeper = asyncio.create_task(server.keep_running(interval_s=0.02))
    killed = server.pid
    assert killed
    os.kill(killed, signal.SIGKILL)
    for _ in range(500):
        await asyncio.sleep(0.02)
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            assert await query(server, "select 1") == 1
            break
    assert server.pid not in {killed, None}
    keeper.cancel()


def program(pid: int | None) -> Path:
    return Path(f"/proc/{pid}/exe").resolve()


PARENT = """
import sys, time
from pathlib import Path
from infra.local.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, server.port, flush=True)
time.sleep(60)
"""


class Child(NamedTuple):
    process: "subprocess.Popen[str]"
    pid: int
    port: int


def start_from_another_process(directory: Path, account: Account | None = None) -> Child:
    command = tied([sys.executable, "-c", PARENT, directory], account=account)
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])  # noqa: S603 - our own
    assert process.stdout
    with process.stdout:
        pid, port = process.stdout.readline().split()
    return Child(process, int(pid), int(port))


async def test_a_killed_parent_takes_the_server_down_cleanly(directory: Path):
    child = start_from_another_process(directory)
    again = EmbeddedPostgres(directory, child.port, durable=False)
    assert await query(again, "create table fruit as select 'apple' as name") is None
    child.process.kill()
    child.process.wait()
    again.start()  # waits for the other one
    assert ends(child.pid)
    assert await query(again, "select name from fruit") == "apple"
    assert "database system was not properly shut down" not in (again.home / "log").read_text()
    again.stop()


async def test_two_servers_do_not_share_a_directory(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_module, "PREVIOUS_TIMEOUT_S", 0.1)
    child = start_from_another_process(directory)
    with pytest.raises(PostgresError, match=f"another server \\(process {child.pid}\\) is using"):
        EmbeddedPostgres(directory, durable=False).start()
    child.process.kill()
    child.process.wait()
    assert ends(child.pid)


async def test_a_pid_file_left_behind_is_no_obstacle(server: EmbeddedPostgres):
    pid_file = server.home / "data" / "postmaster.pid"
    left = pid_file.read_text()
    server.stop()
    for stranger in (1, os.getpid()):  # its number belongs to another program by now
        pid_file.write_text(left.replace(left.splitlines()[0], str(stranger), 1))
        server.start()
        assert await query(server, "select 1") == 1
        server.stop()


async def test_an_interrupted_creation_is_done_again(directory: Path):
    (directory / "data.new" / "base").mkdir(parents=True)
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    assert await query(server, "select 1") == 1
    server.stop()


def test_a_taken_port_is_named(directory: Path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PostgresError, match=f"Port {port} is taken: end the program"):
            EmbeddedPostgres(directory, port).start()


def test_a_full_disk_is_said_before_anything_is_written(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_module, "NEEDED_BYTES", 1 << 60)
    with pytest.raises(PostgresError, match=r"MiB are free at .*; a database needs"):
        EmbeddedPostgres(directory).start()


def test_a_file_in_the_way_is_named(directory: Path):
    directory.write_text("")
    with pytest.raises(PostgresError, match="cannot hold a database"):
        EmbeddedPostgres(directory).start()


def test_a_damaged_database_shows_the_servers_own_words(server: EmbeddedPostgres):
    server.stop()
    (server.home / "data" / "global" / "pg_control").unlink()
    with pytest.raises(PostgresError, match="pg_control"):
        server.start()


def test_it_is_started_from_the_main_thread(directory: Path):
    caught: list[PostgresError] = []

    def start() -> None:
        try:
            EmbeddedPostgres(directory).start()
        except PostgresError as error:
            caught.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "from the main thread" in str(caught[0])


@as_root
def test_as_root_the_server_runs_as_another_user(server: EmbeddedPostgres):
    assert Path(f"/proc/{server.pid}").stat().st_uid != 0
    assert "Groups:\t \n" in Path(f"/proc/{server.pid}/status").read_text()


@as_root
async def test_what_the_other_user_cannot_reach_is_kept_elsewhere(directory: Path, monkeypatch: pytest.MonkeyPatch):
    shared = directory.parent / "shared"
    monkeypatch.setattr(postgres_files, "SHARED_STATE", shared)
    private = directory.parent / "private"
    private.mkdir(mode=0o700)
    server = EmbeddedPostgres(private / "postgres", durable=False)
    server.start()
    assert server.home.parent == shared
    assert EmbeddedPostgres(private / "postgres").home == server.home
    assert await query(server, "select 1") == 1
    server.stop()


@as_root
async def test_programs_the_other_user_cannot_read_are_copied_once(directory: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(postgres_files, "SHARED_STATE", directory.parent / "shared")
    in_package: Callable[..., bool] = postgres_files._allows

    def allows(path: Path, account: Account, right: int) -> bool:
        return "site-packages" not in path.parts and in_package(path, account, right)

    monkeypatch.setattr(postgres_files, "_allows", allows)
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    assert program(server.pid).is_relative_to(directory.parent / "shared")
    assert await query(server, "select 1") == 1
    server.stop()
    copies = list((directory.parent / "shared").iterdir())
    server.start()
    assert list((directory.parent / "shared").iterdir()) == copies
    server.stop()


@as_root
def test_an_ordinary_user_needs_nobody_else(directory: Path):
    nobody = pwd.getpwnam("nobody")
    account = Account(nobody.pw_name, nobody.pw_uid, nobody.pw_gid)
    interpreter = Path(sys.executable).absolute()
    for needed in (interpreter, interpreter.resolve(), Path(__file__)):
        if not all(postgres_files._allows(parent, account, postgres_files.SEARCH) for parent in needed.parents):
            pytest.skip("this checkout or this Python cannot be reached by an ordinary user")
    directory.mkdir(mode=0o700)
    os.chown(directory, account.uid, account.gid)
    child = start_from_another_process(directory, account)
    assert Path(f"/proc/{child.pid}").stat().st_uid == account.uid
    child.process.kill()
    child.process.wait()
    assert ends(child.pid)


@as_root
def test_as_root_an_existing_database_keeps_its_user(directory: Path):
    nobody = pwd.getpwnam("nobody")
    directory.mkdir(mode=0o700)
    os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    server = EmbeddedPostgres(directory)
    assert server.account
    assert server.account.name == "nobody"


def test_a_program_that_cannot_be_started_says_so(tmp_path: Path):
    command = tied([tmp_path / "nothing"])
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    assert done.returncode == NOT_STARTED
    assert "nothing could not be started: [Errno 2]" in done.stderr
