"""Judges that start in milliseconds: forked from a process that has imported what they need.

A judge of properties needs Hypothesis, which takes a process of its own 0.15 s of processor time to import; a check
takes less. What runs a candidate's examples is not forked: each has hashes of its own, so that code whose answer hangs
on the order of a set disagrees with itself.
"""

import asyncio
import contextlib
import itertools
import json
import socket
import time
from asyncio.subprocess import Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

_CHILD = Path(__file__).with_name("judge_nursery_child.py")
START_S = 10.0
END_S = 2.0
PAUSE_S = 10.0
"""Between two starts: where it cannot run at all, judges start by themselves."""
_BLOCK_BYTES = 65_536

_log = structlog.get_logger()


@dataclass(frozen=True)
class _Nursery:
    process: Process
    control: socket.socket

    def lives(self) -> bool:
        """Whether its end of the orders is open."""
        try:
            self.control.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    async def end(self) -> None:
        """It ends by itself when nobody gives it orders any more; what it forked goes with it."""
        self.control.close()
        ending = asyncio.ensure_future(self.process.wait())
        await asyncio.wait([ending], timeout=END_S)
        if not ending.done():
            self.process.kill()
        await ending


class JudgeNursery:
    """One process, which is started when judges are first wanted; one that has ended is replaced."""

    def __init__(
        self, interpreter: Sequence[str], *, environment: dict[str, str], judge: str, packages: Sequence[str]
    ) -> None:
        """`interpreter` is a command that a program's path is put after.

        `judge` is the module that is imported beforehand, and `packages` are where it finds what it imports; a job for
        another judge imports that one in the fork.
        """
        self._interpreter = tuple(interpreter)
        self._environment = environment
        self._imports = json.dumps({"judge": judge, "packages": list(packages)})
        self._numbers = itertools.count()
        self._starting: asyncio.Task[_Nursery | None] | None = None
        self._not_before = 0.0

    def start(self) -> None:
        """Start in the background, where it does not run yet or no more."""
        if self._starting is not None and (not self._starting.done() or self._ready() is not None):
            return
        if time.monotonic() >= self._not_before:
            self._not_before = time.monotonic() + PAUSE_S
            dead = None if self._starting is None else self._starting.result()
            self._starting = asyncio.create_task(self._started(dead), name="judge nursery")

    async def is_ready(self) -> bool:
        """Whether it can fork, when a start that is under way has come to its end."""
        if self._starting is not None:
            await asyncio.shield(self._starting)
        return self._ready() is not None

    async def report(self, sent: bytes, most: int) -> bytes | None:
        """What a forked judge answers to `sent`, `most` bytes and a block; None where nothing is there to fork it.

        When this returns or raises, the judge has been killed, with all that it started, and has let go of its files.
        """
        self.start()
        nursery = self._ready()
        if nursery is None:
            return None
        number = next(self._numbers)
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        with ours, theirs:
            try:
                socket.send_fds(nursery.control, [json.dumps({"fork": number}).encode()], [theirs.fileno()])
            except OSError:
                return None
            theirs.close()
            try:
                answer = await _exchange(ours, sent, most)
            finally:
                with contextlib.suppress(OSError):
                    nursery.control.send(json.dumps({"end": number}).encode())
                await _gone(ours)
        return answer if answer or nursery.lives() else None

    async def close(self) -> None:
        """End the process, and with it what was forked."""
        starting, self._starting = self._starting, None
        if starting is not None:
            nursery = await starting
            if nursery is not None:
                await nursery.end()

    def _ready(self) -> _Nursery | None:
        nursery = self._starting.result() if self._starting is not None and self._starting.done() else None
        return nursery if nursery is not None and nursery.lives() else None

    async def _started(self, dead: _Nursery | None) -> _Nursery | None:
        if dead is not None:
            await dead.end()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(0)
        try:
            with theirs:
                nursery = _Nursery(await self._spawn(theirs), ours)
        except OSError as error:
            ours.close()
            _warn(error)
            return None
        try:
            async with asyncio.timeout(START_S):
                if not await asyncio.get_running_loop().sock_recv(ours, _BLOCK_BYTES):
                    raise BrokenPipeError("it ended while it was starting")
        except OSError as error:  # TimeoutError is one
            _warn(error)
            await nursery.end()
            return None
        return nursery

    async def _spawn(self, control: socket.socket) -> Process:
        return await asyncio.create_subprocess_exec(
            *self._interpreter, str(_CHILD), str(control.fileno()), self._imports,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environment,
            cwd="/",
            start_new_session=True,
            pass_fds=(control.fileno(),),
        )  # fmt: skip


def _warn(error: OSError) -> None:
    _log.warning("judges are not forked", error=type(error).__name__, detail=str(error)[:200])


async def _exchange(connection: socket.socket, sent: bytes, most: int) -> bytes:
    loop = asyncio.get_running_loop()
    answer = bytearray()
    with contextlib.suppress(ConnectionError):  # it has ended already, which its answer will tell
        await loop.sock_sendall(connection, sent)
        connection.shutdown(socket.SHUT_WR)
    with contextlib.suppress(ConnectionError):
        while len(answer) <= most and (block := await loop.sock_recv(connection, _BLOCK_BYTES)):
            answer += block
    return bytes(answer)


async def _gone(connection: socket.socket) -> None:
    """Wait until nobody has the other end: until then what is to be killed may be at work in its directory."""
    loop = asyncio.get_running_loop()
    with contextlib.suppress(OSError):  # TimeoutError is one
        async with asyncio.timeout(END_S):
            while await loop.sock_recv(connection, _BLOCK_BYTES):
                pass
