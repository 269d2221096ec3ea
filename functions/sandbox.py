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
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

import structlog

from functions.failures import Unavailable
from functions.judge_nursery import JudgeNursery
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import SandboxSettings

# Not a virtual environment's link, whose target may not be visible in there.
_INTERPRETER = os.path.realpath(sys.executable)
_CHILD = Path(__file__).with_name("sandbox_child.py")
# What the judge of properties needs beside the standard library; a candidate may import it too, and gains nothing.
_PACKAGES = ("hypothesis", "sortedcontainers")
_JUDGE_OF_PROPERTIES = "functions.property_child"
_USER_IDS = range(70_000, 90_000)
STARTING_S = 5.0
_PYTHON = (_INTERPRETER, "-I", "-S")
COMMAND = (*_PYTHON, str(_CHILD))
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1"}

_log = structlog.get_logger()


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
class GivenTests:
    """A session's own tests (`functions.own_tests`). They call `tested`, which is the candidate's `function`."""

    source: str
    tested: str
    function: str
    uses_hypothesis: bool


@dataclass(frozen=True)
class OwnTestOutcome:
    """How one test came out: "passed", "failed", or "skipped" where it could say nothing."""

    name: str
    verdict: Literal["passed", "failed", "skipped"]
    detail: str


@dataclass(frozen=True)
class OwnTestsRun:
    """How the tests came out, in their order. `ended` is as in `SandboxResult`; without "finished" there are none."""

    ended: str
    error: str = ""
    tests: tuple[OwnTestOutcome, ...] = ()
    isolated: bool = False


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


JudgedBy = Properties | GivenTests
"""What a judge in the sandbox reads when the candidate is in its place."""


class Sandbox(Protocol):
    """Wherever it runs: a process here, a `modal.Sandbox` in the cloud."""

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """Execute `code` as a module, then evaluate each of `calls` in it, in order, in one process."""
        ...

    async def search(self, code: str, properties: Properties) -> Search:
        """Look for calls on which `code` breaks the properties. The process that has the code never sees them."""
        ...

    async def tested(self, code: str, tests: GivenTests) -> OwnTestsRun:
        """Run the tests. The process that has the code never sees them."""
        ...


class ChildSandbox(ABC):
    """A sandbox whose code is held by `sandbox_child.py`; at most `at_once` run together, others wait.

    What is left to say is where that program runs, and how it is cut off from everything.
    """

    def __init__(self, settings: SandboxSettings, *, at_once: int) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(at_once)

    @abstractmethod
    async def _report(self, work: dict[str, Any], judged_by: JudgedBy | None) -> bytes | SandboxResult:
        """What the program reports of `work`, or how it ended without that. `judged_by` is sent after the candidate."""

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """See `Sandbox`. Raises `Unavailable` when the program cannot be started."""
        with telemetry.span(names.SANDBOX, {names.SANDBOX_CALLS: len(calls)}) as span:
            result = await self._run_in_turn(code, calls)
            span.set_attribute(names.SANDBOX_ENDED, result.ended)
            return result

    async def _run_in_turn(self, code: str, calls: Sequence[str]) -> SandboxResult:
        async with self._slots:
            output = await self._report({"code": code, "calls": list(calls)}, None)
        return output if isinstance(output, SandboxResult) else _result(output, self._settings.output_bytes)

    async def search(self, code: str, properties: Properties) -> Search:
        """See `Sandbox`. Raises `Unavailable` when the program cannot be started."""
        work = {"code": code, "packages": _packages(), "judge": _JUDGE_OF_PROPERTIES}
        async with self._slots:
            output = await self._report(work, properties)
        if isinstance(output, SandboxResult):
            return Search(output.ended, output.error)
        return _search(output, self._settings.output_bytes)

    async def tested(self, code: str, tests: GivenTests) -> OwnTestsRun:
        """See `Sandbox`. Raises `Unavailable` when the program cannot be started."""
        packages = _packages() if tests.uses_hypothesis else []
        work = {"code": code, "packages": packages, "judge": "functions.own_tests_child"}
        async with self._slots:
            output = await self._report(work, tests)
        if isinstance(output, SandboxResult):
            return OwnTestsRun(output.ended, output.error)
        return _tested(output, self._settings.output_bytes)

    def _limits(self) -> dict[str, int]:
        return {
            "memory_bytes": self._settings.memory_mib * 1024 * 1024,
            "cpu_s": self._settings.cpu_s,
            "processes": self._settings.processes,
        }

    def _timed_out(self) -> SandboxResult:
        return SandboxResult("timeout", error=f"it did not finish within {self._settings.wall_s:g} s")


def judge_nursery() -> JudgeNursery:
    """For a `ProcessSandbox`; who has it closes it."""
    return JudgeNursery(_PYTHON, environment=ENVIRONMENT, judge=_JUDGE_OF_PROPERTIES, packages=_packages())


class ProcessSandbox(ChildSandbox):
    """A process on this machine; its judges are forked where a `nursery` is there to do that."""

    def __init__(self, settings: SandboxSettings, *, at_once: int = 2, nursery: JudgeNursery | None = None) -> None:
        super().__init__(settings, at_once=at_once)
        self._nursery = nursery
        self._has_warned = False

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """See `ChildSandbox`. Where code cannot be cut off from the machine, the log says so, once."""
        result = await super().run(code, calls)
        if result.ended == "finished" and not result.isolated and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "sandbox-without-namespaces", held="limits alone", cure="run as root, or allow user namespaces"
            )
        return result

    async def _report(self, work: dict[str, Any], judged_by: JudgedBy | None) -> bytes | SandboxResult:
        with tempfile.TemporaryDirectory(prefix="lift-sys-sandbox-") as directory:
            readable = [*_interpreter_directories(), *work.get("packages", ())]
            job = {
                **work,
                "directory": directory,
                "readable": readable,
                "uid": some_user_id(),
                "limits": self._limits(),
            }
            sent = as_sent(job, judged_by)
            if self._nursery is not None and judged_by is not None:
                answer = await self._forked(self._nursery, sent)
                if answer is not None:
                    return answer
            return await self._run(directory, sent)

    async def _forked(self, nursery: JudgeNursery, sent: bytes) -> bytes | SandboxResult | None:
        try:
            async with asyncio.timeout(self._settings.wall_s + STARTING_S):
                return await nursery.report(sent, self._settings.output_bytes)
        except TimeoutError:
            return self._timed_out()

    async def _run(self, directory: str, sent: bytes) -> bytes | SandboxResult:
        settings = self._settings
        try:
            process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=ENVIRONMENT,
                cwd=directory,
                start_new_session=True,
            )
        except OSError as error:
            raise Unavailable("the sandbox", f"no process could be started: {error}") from error
        try:
            async with asyncio.timeout(settings.wall_s + STARTING_S):
                return await _exchange(process, sent, settings.output_bytes)
        except TimeoutError:
            return self._timed_out()
        finally:
            await _kill(process)


def some_user_id() -> int:
    """For one run, where this process is root: limits by user are then limits of that run."""
    return random.choice(_USER_IDS)  # noqa: S311 - not a secret


def as_sent(job: dict[str, Any], judged_by: JudgedBy | None) -> bytes:
    """The program's standard input: the job after its length, then what it reads when the candidate is in its place."""
    first = json.dumps(job).encode()
    second = b"" if judged_by is None else json.dumps(asdict(judged_by)).encode()
    return b"%d\n%s%s" % (len(first), first, second)


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


def _tested(output: bytes, most: int) -> OwnTestsRun:
    if len(output) > most:
        return OwnTestsRun("flooded", f"it gave more than {most} bytes")
    try:
        answer: dict[str, Any] = json.loads(output)
        tests = tuple(OwnTestOutcome(str(row["name"]), row["verdict"], str(row["detail"])) for row in answer["rows"])
        return OwnTestsRun("finished", "", tests, bool(answer["isolated"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        return OwnTestsRun("killed", "it crashed, or ran into a limit of memory, CPU time or processes")


def _packages() -> list[str]:
    return [str(Path(spec.origin).parent) for name in _PACKAGES if (spec := find_spec(name)) and spec.origin]


def _interpreter_directories() -> list[str]:
    """What has to be readable for the interpreter to run: itself, its library, and the system's shared libraries."""
    own = {os.path.realpath(sys.base_prefix), os.path.realpath(sysconfig.get_path("stdlib"))}
    shared = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"}
    roots = sorted(path for path in own | shared if Path(path).is_dir() and path != "/usr")
    return [path for path in roots if not any(path != other and path.startswith(other + "/") for other in roots)]
