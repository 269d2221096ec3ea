"""Where untrusted code runs: a process of its own without network, files, time or memory to speak of.

On Linux with user namespaces (or root) the process sees its own empty network, its own processes, and a file system of
the interpreter alone, read-only, beside 16 MiB of memory to write in; everywhere it has limits of CPU time, memory,
processes, open files and output, no privileges to gain, and is killed with everything it started.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from functions.failures import Unavailable
from infra.settings import SandboxSettings

# Not a virtual environment's link, whose target may not be visible in there.
_INTERPRETER = os.path.realpath(sys.executable)
_CHILD = Path(__file__).with_name("sandbox_child.py")
# One of its own for each run where this process is root, so that limits by user are limits of that run.
_USER_IDS = range(70_000, 90_000)
_STARTING_S = 5.0


@dataclass(frozen=True)
class CallResult:
    """What one call gave: `value` is the `repr`, or `raised` names the exception's classes, most derived first."""

    value: str | None = None
    raised: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class SandboxResult:
    """`ended` says how: "finished", "timeout", "killed" (a limit, or a crash), "flooded" (too much output).

    Without namespaces `isolated` is False: limits held, the network was not cut off.
    """

    ended: str
    defined: bool = False
    error: str = ""
    calls: tuple[CallResult, ...] = ()
    isolated: bool = False


class Sandbox(Protocol):
    """Wherever it runs: a process here, a `modal.Sandbox` in the cloud."""

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """Execute `code` as a module, then evaluate each of `calls` in it, in order, in one process."""
        ...


class ProcessSandbox:
    """A process on this machine. At most `at_once` run together; others wait."""

    def __init__(self, settings: SandboxSettings, *, at_once: int = 2) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(at_once)

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """See `Sandbox`. Raises `Unavailable` when no process can be started."""
        async with self._slots:
            with tempfile.TemporaryDirectory(prefix="lift-sys-sandbox-") as directory:
                return await self._run(directory, code, calls)

    async def _run(self, directory: str, code: str, calls: Sequence[str]) -> SandboxResult:
        settings = self._settings
        job = {
            "code": code,
            "calls": list(calls),
            "directory": directory,
            "readable": _interpreter_directories(),
            "uid": random.choice(_USER_IDS),  # noqa: S311 - not a secret
            "limits": {
                "memory_bytes": settings.memory_mib * 1024 * 1024,
                "cpu_s": settings.cpu_s,
                "processes": settings.processes,
            },
        }
        try:
            process = await asyncio.create_subprocess_exec(
                _INTERPRETER,
                "-I",
                "-S",
                str(_CHILD),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={"PYTHONDONTWRITEBYTECODE": "1"},
                cwd=directory,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable("the sandbox", f"no process could be started: {error}") from error
        try:
            async with asyncio.timeout(settings.wall_s + _STARTING_S):
                output = await _exchange(process, json.dumps(job).encode(), settings.output_bytes)
        except TimeoutError:
            return SandboxResult("timeout", error=f"it did not finish within {settings.wall_s:g} s")
        finally:
            await _kill(process)
        return _result(output, settings.output_bytes)


async def _exchange(process: asyncio.subprocess.Process, job: bytes, most: int) -> bytes:
    assert process.stdin is not None  # noqa: S101 - both are pipes, above
    assert process.stdout is not None  # noqa: S101
    with contextlib.suppress(ConnectionError):  # it has ended already, which its output will tell
        process.stdin.write(job)
        await process.stdin.drain()
        process.stdin.close()
    output = bytearray()
    while len(output) <= most and (block := await process.stdout.read(65_536)):
        output += block
    return bytes(output)


async def _kill(process: asyncio.subprocess.Process) -> None:
    """The whole group; what left it is in the process namespace, whose first process is in the group."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    # To the end of what is left in the pipe: a transport that nobody reads never closes.
    if process.stdin is not None:
        process.stdin.close()
    while process.stdout is not None and await process.stdout.read(65_536):
        pass
    await process.wait()


def _result(output: bytes, most: int) -> SandboxResult:
    if len(output) > most:
        return SandboxResult("flooded", error=f"it gave more than {most} bytes")
    try:
        answer: dict[str, Any] = json.loads(output)
        calls = tuple(
            CallResult(value=c.get("value"), raised=tuple(c.get("raised", ())), error=str(c.get("error", "")))
            for c in answer["calls"]
        )
        return SandboxResult("finished", bool(answer["defined"]), str(answer["error"]), calls, bool(answer["isolated"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return SandboxResult("killed", error="it crashed, or ran into a limit of memory, CPU time or processes")


def _interpreter_directories() -> list[str]:
    """What has to be readable for the interpreter to run: itself, its library, and the system's shared libraries."""
    own = {os.path.realpath(sys.base_prefix), os.path.realpath(sysconfig.get_path("stdlib"))}
    shared = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
    roots = sorted(path for path in own | shared if Path(path).is_dir() and path != "/usr")
    return [path for path in roots if not any(path != other and path.startswith(other + "/") for other in roots)]
