"""Work in child processes with limits on CPU time, memory and stack, whose death is an answer and not an accident."""

import asyncio
import contextlib
import json
import os
import pickle
import signal
import socket
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from functions.failures import ConstraintRefused, Unavailable
from functions.validation_child import HEADER, ChildSettings, Reply, frame
from infra.settings import ValidationSettings

NAME = "the constraint validator"
PATIENCE_S = 0.05
DEMOTED = 5
"""Niceness of a worker that has not answered by then: the others, and the server, go before it from then on."""
LARGEST_REPLY = 64 * 2**20
START_S = 30.0
"""How long work waits for the first workers: Python starts and reads a tokenizer of 151,000 tokens in about 1.5 s."""
_RESTART_WAITS_S = (0.1, 0.5, 2.0, 5.0)
_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv.pop()); from functions.validation_child import main; main()"
)

log = structlog.get_logger()


@dataclass(eq=False)
class Worker:
    """A worker process; `exited` holds its exit code, negative for a signal, or None where nobody saw it end."""

    connection: socket.socket
    pid: int
    busy: bool = False
    demoted: bool = False
    exited: asyncio.Future[int | None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def is_waiting(self) -> bool:
        """Whether it lives and is ready for work: what died while idle is not to be blamed on what comes next."""
        if self.exited.done():
            return False
        try:
            self.connection.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False  # the other end is closed


class WorkerDied(Exception):  # noqa: N818 - what happened, as in functions.failures
    """A worker ended in the middle of its work; `status` is its exit code, None where nobody saw it end."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


class LimitedProcesses:
    """A pool of `settings.processes` workers, forked from one nursery that has the tokenizer loaded.

    Work waits its turn for at most `timeout_s`, in a queue of at most `max_waiting`; beyond, `Unavailable` says when to
    come back. A dead worker, and a dead nursery, is replaced.
    """

    def __init__(self, settings: ValidationSettings, tokenizer_file: Path, modules: Sequence[str] = ()) -> None:
        self._settings = settings
        self._modules = tuple(modules)
        self._tokenizer_file = tokenizer_file
        self._free: asyncio.LifoQueue[Worker] = asyncio.LifoQueue()
        self._workers: dict[int, Worker] = {}
        self._unborn: deque[socket.socket] = deque()
        self._waiting = 0
        self._supervisor: asyncio.Task[None] | None = None
        self._state = "it has not been started"
        self._broken = False
        self._settled = asyncio.Event()
        self.killed = 0

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers that live now."""
        return tuple(self._workers)

    def start(self) -> None:
        """Start in the background; work that comes before the workers are ready waits for them."""
        if self._supervisor is None:
            self._supervisor = asyncio.create_task(self._supervise(), name="validator")

    async def close(self) -> None:
        """End every process. Work under way ends with `Unavailable`."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
            self._state = "it is closed"

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """The function's result. Raises `ConstraintRefused` or what else it raised, `WorkerDied`, `Unavailable`."""
        request = frame((function, arguments))
        worker = await self._next_free()
        worker.busy = True
        demotion = asyncio.get_running_loop().call_later(PATIENCE_S, self._demote, worker)
        try:
            reply = await self._work(worker, request)
        except BaseException:  # also a caller that has gone away: what the worker does now concerns nobody
            self._kill(worker)
            worker.connection.close()
            raise
        finally:
            demotion.cancel()
        worker.busy = False
        if reply.retire or worker.demoted:
            worker.connection.close()
        else:
            self._free.put_nowait(worker)
        if reply.outcome == "result":
            return reply.value
        if reply.outcome == "refused":
            raise ConstraintRefused(*reply.value)
        raise reply.value

    async def _work(self, worker: Worker, request: bytes) -> Reply:
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                return await self._exchange(worker, request)
        except TimeoutError:
            # Its CPU time was not used up, or SIGPROF had ended it: the machine is busy, the input is not at fault.
            raise self._unavailable(f"no answer within {self._settings.timeout_s:g} s") from None
        except (OSError, EOFError):
            await asyncio.wait([worker.exited], timeout=5)
            raise WorkerDied(worker.exited.result() if worker.exited.done() else None) from None

    async def _next_free(self) -> Worker:
        if self._supervisor is None:
            raise self._unavailable(self._state)
        if self._waiting >= self._settings.max_waiting:
            raise self._unavailable(f"{self._waiting} constraints wait already")
        self._waiting += 1
        try:
            async with asyncio.timeout(START_S):
                await self._settled.wait()
            if self._broken:
                raise self._unavailable("it cannot start")
            async with asyncio.timeout(self._settings.timeout_s):
                worker = await self._free.get()
                while not worker.is_waiting():
                    worker = await self._free.get()
                return worker
        except TimeoutError:
            raise self._unavailable("all its processes are busy") from None
        finally:
            self._waiting -= 1

    async def _exchange(self, worker: Worker, request: bytes) -> Reply:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(worker.connection, request)
        (size,) = HEADER.unpack(await _read_exactly(worker.connection, HEADER.size))
        if size > LARGEST_REPLY:
            raise ConstraintRefused("", "its result is too large")
        reply: Reply = pickle.loads(await _read_exactly(worker.connection, size))  # noqa: S301 - from our own child
        return reply

    def _demote(self, worker: Worker) -> None:
        if not worker.exited.done():
            worker.demoted = True  # for good: only a privileged process could undo it
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, worker.pid, DEMOTED)

    def _kill(self, worker: Worker) -> None:
        self.killed += 1
        if not worker.exited.done():  # then the nursery has not reaped it, and its id is still its own
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.pid, signal.SIGKILL)

    async def _supervise(self) -> None:
        failures = 0
        while True:
            try:
                worked = await self._run_nursery()
            except OSError as error:
                log.exception("validator cannot start", reason=str(error))
                worked = False
            failures = 0 if worked else failures + 1
            self._settle(broken=not worked)
            wait_s = _RESTART_WAITS_S[min(failures, len(_RESTART_WAITS_S) - 1)]
            log.error("validator stopped", restart_in_s=wait_s)
            await asyncio.sleep(wait_s)

    def _settle(self, *, broken: bool) -> None:
        """Let what waits go on, to a worker or to a refusal."""
        self._broken = broken
        self._settled.set()

    async def _run_nursery(self) -> bool:
        """One life of the nursery: whether it became ready before it ended."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            ours.settimeout(0)
            process = await self._spawn(theirs)
            theirs.close()
            try:
                return await self._tend(ours)
            finally:
                ours.close()  # the nursery sees it, ends its workers and itself
                try:
                    await _ended(process)
                finally:
                    self._forget_workers()

    async def _spawn(self, control: socket.socket) -> Process:
        limits = self._settings
        settings = ChildSettings(str(self._tokenizer_file), limits.memory_mib, limits.cpu_s, os.getpid(), self._modules)
        arguments = (str(control.fileno()), json.dumps(asdict(settings)), json.dumps(sys.path))
        return await asyncio.create_subprocess_exec(
            sys.executable, "-c", _START, *arguments, stdin=asyncio.subprocess.DEVNULL, pass_fds=(control.fileno(),)
        )

    async def _tend(self, control: socket.socket) -> bool:
        loop = asyncio.get_running_loop()
        started = False
        while packet := await loop.sock_recv(control, 65536):
            match json.loads(packet):
                case {"ready": float(seconds)}:
                    started = True
                    self._settle(broken=False)
                    log.info("validator ready", tokenizer_load_s=round(seconds, 3))
                    for _ in range(self._settings.processes):
                        self._order_worker(control)
                case {"forked": int(pid)}:
                    worker = Worker(self._unborn.popleft(), pid)
                    self._workers[pid] = worker
                    self._free.put_nowait(worker)
                case {"exited": int(pid), "status": int(status)}:
                    self._bury(self._workers.pop(pid), status)
                    self._order_worker(control)
                case {"failed": str(reason)}:
                    log.error("validator cannot start", reason=reason)
        return started

    def _order_worker(self, control: socket.socket) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        self._unborn.append(ours)
        with theirs:
            socket.send_fds(control, [b"fork"], [theirs.fileno()])

    def _forget_workers(self) -> None:
        while self._workers:
            _, worker = self._workers.popitem()
            self._bury(worker, None)
        while self._unborn:
            self._unborn.popleft().close()
        while not self._free.empty():
            self._free.get_nowait()

    def _bury(self, worker: Worker, status: int | None) -> None:
        worker.exited.set_result(status)
        if not worker.busy:  # else `run` is reading from it, sees the end, and closes it
            worker.connection.close()

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(NAME, reason, retry_after_s=1.0)


async def _read_exactly(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    body = bytearray()
    while len(body) < size:
        part = await loop.sock_recv(connection, min(size - len(body), 2**20))
        if not part:
            raise EOFError
        body += part
    return bytes(body)


async def _ended(process: Process) -> None:
    """Wait for the nursery to end by itself, which takes it milliseconds; else end it."""
    ending = asyncio.ensure_future(process.wait())
    await asyncio.wait([ending], timeout=2)  # not `asyncio.timeout`: in a task that is being cancelled it cannot tell
    if not ending.done():
        process.kill()
    await ending
