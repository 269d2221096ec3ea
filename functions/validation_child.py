"""The processes in which constraints are tried: a nursery that loads the tokenizer once, and workers forked from it.

The nursery is started fresh (never forked from a server with threads), stays single-threaded, and so may fork: a
worker that a hostile constraint has killed is replaced in milliseconds, and all share the tokenizer's memory.

Between server and nursery go datagrams (SOCK_SEQPACKET) of JSON; `fork` carries the worker's end of a socket pair.
Between server and worker go frames: four bytes of length and a pickle, between processes of one program only.
"""

import json
import os
import pickle
import resource
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from functions.failures import ConstraintRefused
from functions.validation_tokenizer import load_tokenizer
from functions.validation_trial import Figures, Vocabulary, try_constraint

STACK_BYTES = 4 * 2**20
"""Half of what the engine's threads have (glibc's default is 8 MiB). In llguidance a chain of 500 references overflows
4 MiB and one of 1,000 overflows 8: what passes on half of the engine's stack cannot kill the engine."""
MIB = 2**20
HEADER = struct.Struct("!I")
_PR_SET_PDEATHSIG = 1
_M_TRIM_THRESHOLD = -1
WARM_BYTES = 12 * MIB
_BLOCK_BYTES = 64 * 1024

_vocabulary: Vocabulary | None = None


@dataclass(frozen=True)
class ChildSettings:
    """What the server tells the nursery. `memory_mib` and `cpu_s` are for each piece of work, beyond the start.

    `modules` are imported before the first fork, so that no worker spends its limits on that.
    """

    tokenizer_file: str
    memory_mib: int
    cpu_s: float
    parent: int
    modules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reply:
    """A worker's answer: the `result` (a value), `refused` (pointer, reason) or `raised` (an exception)."""

    outcome: Literal["result", "refused", "raised"]
    value: Any
    retire: bool = False


def vocabulary() -> Vocabulary:
    """The model's tokens; only in a worker."""
    if _vocabulary is None:
        raise RuntimeError("the tokenizer is loaded in the validator's own processes alone")
    return _vocabulary


def tokenizer() -> Any:
    """The model's `LLTokenizer`; only in a worker (in functions given to `ConstraintValidator.run_limited`)."""
    return vocabulary().tokenizer


def trial(kind: str, source: str) -> Figures:
    """`try_constraint` with the worker's own vocabulary."""
    return try_constraint(vocabulary(), kind, source)


def nursery(control_fd: int, settings: ChildSettings) -> None:
    """Load the tokenizer, then fork workers on demand and report those that end, until the server goes away."""
    global _vocabulary  # noqa: PLW0603 - set once, before the first fork; every worker inherits it
    control = socket.socket(fileno=control_fd)
    _end_with(settings.parent)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold what users sent
    started = time.perf_counter()
    try:
        _vocabulary = Vocabulary(load_tokenizer(Path(settings.tokenizer_file)))
        for module in settings.modules:
            import_module(module)
    except Exception as error:  # noqa: BLE001 - whatever it is, the server must be told why there is no validator
        _tell(control, {"failed": f"{type(error).__name__}: {error}"})
        return
    _tell(control, {"ready": time.perf_counter() - started})
    wakeup = _wake_on_child_exit()
    workers: set[int] = set()
    while True:
        readable, _, _ = select.select([control, wakeup], [], [])
        if wakeup in readable:
            wakeup.recv(4096)
            _report_exits(control, workers)
        if control in readable:
            order, fds, *_ = socket.recv_fds(control, 64, 1)
            if not order:
                break
            pid = _fork_worker(fds[0], (control, wakeup), settings)
            os.close(fds[0])
            workers.add(pid)
            _tell(control, {"forked": pid})
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork_worker(fd: int, inherited: tuple[socket.socket, ...], settings: ChildSettings) -> int:
    nursery_pid = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        for other in inherited:
            other.close()
        _end_with(nursery_pid)
        _prefer_for_oom_kill()
        # llguidance's panics are printed with the grammar in them, and users' text does not belong in logs.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        threading.stack_size(STACK_BYTES)
        work = threading.Thread(target=_work, args=(socket.socket(fileno=fd), settings))
        work.start()
        work.join()
        status = 0
    finally:
        os._exit(status)


def _work(connection: socket.socket, settings: ChildSettings) -> None:
    _warm_up()
    at_start = _address_space()
    allowance = settings.memory_mib * MIB
    while request := _read_frame(connection):
        resource.setrlimit(resource.RLIMIT_AS, (_address_space() + allowance, resource.RLIM_INFINITY))
        # SIGPROF ends the process in the middle of native code too, and comes by CPU time: that a machine is busy is no
        # fault of the input.
        signal.setitimer(signal.ITIMER_PROF, settings.cpu_s)
        reply = _answer(request)
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        outcome, value = reply
        retire = _address_space() > at_start + allowance // 4
        connection.sendall(frame(Reply(outcome, value, retire)))
        if retire:
            return


def _warm_up() -> None:
    """Have memory at hand before there is work: a new process has to be given each page, 2,000 for one grammar.

    malloc gives back what is free beyond the trim threshold; blocks too small for `mmap` are taken from this thread's
    own arena, written to, and freed.
    """
    import ctypes  # noqa: PLC0415 - only a child needs it

    _libc().mallopt(_M_TRIM_THRESHOLD, 4 * WARM_BYTES)
    blocks = [ctypes.create_string_buffer(_BLOCK_BYTES) for _ in range(WARM_BYTES // _BLOCK_BYTES)]
    del blocks


def _answer(request: bytes) -> tuple[Literal["result", "refused", "raised"], Any]:
    try:
        function: Callable[..., Any]
        function, arguments = pickle.loads(request)  # noqa: S301 - from our own server, over an inherited socket
        return "result", function(*arguments)
    except ConstraintRefused as refusal:
        return "refused", (refusal.pointer, refusal.reason)
    except MemoryError:
        return "refused", ("", "it takes more memory than a constraint may")
    except RecursionError:
        return "refused", ("", "it is nested too deeply")
    except BaseException as error:  # noqa: BLE001 - pyo3's PanicException is one; the server raises it again
        return "raised", _transferable(error)


def _transferable(error: BaseException) -> Exception:
    """A pyo3 panic cannot be pickled, others may not either: the text of the traceback travels always."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, Exception):
        error.__traceback__ = None
        error.add_note(text)
        try:
            pickle.loads(pickle.dumps(error))  # noqa: S301 - just made here
        except Exception:  # noqa: BLE001 - any reason will do to send the text instead
            return RuntimeError(text)
        return error
    return RuntimeError(text)


def frame(value: object) -> bytes:
    """A value as it goes over a worker's socket."""
    body = pickle.dumps(value)
    return HEADER.pack(len(body)) + body


def _read_frame(connection: socket.socket) -> bytes:
    header = _read_exactly(connection, HEADER.size)
    return _read_exactly(connection, HEADER.unpack(header)[0]) if header else b""


def _read_exactly(connection: socket.socket, size: int) -> bytes:
    body = bytearray()
    while len(body) < size:
        part = connection.recv(min(size - len(body), MIB))
        if not part:
            return b""
        body += part
    return bytes(body)


def _report_exits(control: socket.socket, workers: set[int]) -> None:
    while workers:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        workers.discard(pid)
        _tell(control, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    try:
        control.send(json.dumps(message).encode())
    except OSError:  # the server is gone; the next read of the control socket says so
        return


def _wake_on_child_exit() -> socket.socket:
    ours, theirs = socket.socketpair()
    theirs.settimeout(0)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(theirs.detach())
    return ours


def _end_with(parent: int) -> None:
    """Have the kernel kill this process when the one that started it dies, however it dies (prctl(2))."""
    _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


@cache
def _libc() -> Any:
    import ctypes  # noqa: PLC0415 - only a child needs it

    return ctypes.CDLL(None, use_errno=True)


def _prefer_for_oom_kill() -> None:
    """When the machine runs out of memory, the kernel takes this process and not the server."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:  # some sandboxes have no such file; then the kernel's own choice stands
        return


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split(maxsplit=1)[0])
    return pages * resource.getpagesize()


def main() -> None:
    """Entry point of the nursery: `control_fd` and the settings as JSON on the command line."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the server decides when it is over
    nursery(int(sys.argv[1]), ChildSettings(**json.loads(sys.argv[2])))
