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
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from functions.failures import Unavailable
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import SandboxSettings

# Not a virtual environment's link, whose target may not be visible in there.
_INTERPRETER = os.path.realpath(sys.executable)
_CHILD = Path(__file__).with_name("sandbox_child.py")
# What the judge of properties needs beside the standard library; a candidate may import it too, and gains nothing.
_PACKAGES = ("hypothesis", "sortedcontainers")
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


@dataclass(frozen=True)
class Properties:
    """What holds for every call: the head's names and types, classes that may be raised, predicates, known calls.

    `examples` are pairs of arguments and of the expected result (None where an exception is expected), as literals.
    """

    name: str
    parameters: tuple[str, ...]
    annotations: tuple[str, ...]
    returns: str
    raises: tuple[str, ...]
    assertions: tuple[str, ...]
    examples: tuple[tuple[tuple[str, ...], str | None], ...]


@dataclass(frozen=True)
class Fault:
    """The smallest call that was found to break assertion number `about`; None: the call's own outcome is the fault."""

    about: int | None
    call: str
    seen: str


@dataclass(frozen=True)
class Search:
    """How a search for faults went. `ended` is as in `SandboxResult`.

    `tried` calls came back and could be judged; those in `lost` hung or crashed. `unheld` says of an assertion that it
    could not be used, and why.
    """

    ended: str
    error: str = ""
    tried: int = 0
    faults: tuple[Fault, ...] = ()
    unheld: tuple[tuple[int, str], ...] = ()
    lost: tuple[str, ...] = ()
    isolated: bool = False


class Sandbox(Protocol):
    """Wherever it runs: a process here, a `modal.Sandbox` in the cloud."""

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """Execute `code` as a module, then evaluate each of `calls` in it, in order, in one process."""
        ...

    async def search(self, code: str, properties: Properties) -> Search:
        """Look for calls on which `code` breaks the properties. The process that has the code never sees them."""
        ...


class ProcessSandbox:
    """A process on this machine. At most `at_once` run together; others wait."""

    def __init__(self, settings: SandboxSettings, *, at_once: int = 2) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(at_once)

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """See `Sandbox`. Raises `Unavailable` when no process can be started."""
        with telemetry.span(names.SANDBOX, {names.SANDBOX_CALLS: len(calls)}) as span:
            result = await self._run_in_turn(code, calls)
            span.set_attribute(names.SANDBOX_ENDED, result.ended)
            return result

    async def _run_in_turn(self, code: str, calls: Sequence[str]) -> SandboxResult:
        output = await self._start({"code": code, "calls": list(calls)})
        return output if isinstance(output, SandboxResult) else _result(output, self._settings.output_bytes)

    async def search(self, code: str, properties: Properties) -> Search:
        """See `Sandbox`. Raises `Unavailable` when no process can be started."""
        packages = [str(Path(spec.origin).parent) for name in _PACKAGES if (spec := find_spec(name)) and spec.origin]
        output = await self._start({"code": code, "packages": packages}, readable=packages, judged_by=properties)
        if isinstance(output, SandboxResult):
            return Search(output.ended, output.error)
        return _search(output, self._settings.output_bytes)

    async def _start(
        self, work: dict[str, Any], *, readable: Sequence[str] = (), judged_by: Properties | None = None
    ) -> bytes | SandboxResult:
        """What the process reports, or how it ended without that. `judged_by` is sent apart, after the candidate."""
        limits = {
            "memory_bytes": self._settings.memory_mib * 1024 * 1024,
            "cpu_s": self._settings.cpu_s,
            "processes": self._settings.processes,
        }
        async with self._slots:
            with tempfile.TemporaryDirectory(prefix="lift-sys-sandbox-") as directory:
                job = {
                    **work,
                    "directory": directory,
                    "readable": [*_interpreter_directories(), *readable],
                    "uid": random.choice(_USER_IDS),  # noqa: S311 - not a secret
                    "limits": limits,
                }
                first = json.dumps(job).encode()
                second = b"" if judged_by is None else json.dumps(asdict(judged_by)).encode()
                return await self._run(directory, b"%d\n%s%s" % (len(first), first, second))

    async def _run(self, directory: str, sent: bytes) -> bytes | SandboxResult:
        settings = self._settings
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
                return await _exchange(process, sent, settings.output_bytes)
        except TimeoutError:
            return SandboxResult("timeout", error=f"it did not finish within {settings.wall_s:g} s")
        finally:
            await _kill(process)


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


def _search(output: bytes, most: int) -> Search:
    if len(output) > most:
        return Search("flooded", f"it gave more than {most} bytes")
    try:
        answer: dict[str, Any] = json.loads(output)
        faults = tuple(
            Fault(None if f["about"] < 0 else int(f["about"]), str(f["call"]), str(f["seen"])) for f in answer["faults"]
        )
        unheld = tuple((int(u["about"]), str(u["why"])) for u in answer["unheld"])
        lost = tuple(str(call) for call in answer["lost"])
        return Search("finished", "", int(answer["tried"]), faults, unheld, lost, bool(answer["isolated"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return Search("killed", "it crashed, or ran into a limit of memory, CPU time or processes")


def _interpreter_directories() -> list[str]:
    """What has to be readable for the interpreter to run: itself, its library, and the system's shared libraries."""
    own = {os.path.realpath(sys.base_prefix), os.path.realpath(sysconfig.get_path("stdlib"))}
    shared = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
    roots = sorted(path for path in own | shared if Path(path).is_dir() and path != "/usr")
    return [path for path in roots if not any(path != other and path.startswith(other + "/") for other in roots)]
