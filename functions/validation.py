"""A constraint is tried before an engine sees it, where it can do no harm, and the verdict is remembered.

What a hostile schema, grammar or regex costs is bounded by the limits of a child process (`functions.validation_pool`);
whether it passes is llguidance's own judgement with the model's tokenizer (`functions.validation_trial`).
"""

import asyncio
import hashlib
import signal
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import structlog

from functions.failures import ConstraintRefused, Unavailable
from functions.generation import Constraint
from functions.validation_child import trial
from functions.validation_pool import NAME, LimitedProcesses, WorkerDied
from functions.validation_trial import Figures
from infra import telemetry
from infra import telemetry_names as names
from infra.settings import ValidationSettings

log = structlog.get_logger()


@dataclass(frozen=True)
class Verdict:
    """The constraint may go to the engine. Figures as in `functions.validation_trial.Figures`."""

    digest: str
    figures: Figures


@dataclass(frozen=True)
class Refusal:
    """The constraint may not; kept like a verdict, so that asking again costs nothing."""

    pointer: str
    reason: str


@dataclass
class Statistics:
    """Counts since the start. A hit was answered from memory or by waiting for the same trial."""

    hits: int = 0
    misses: int = 0
    refusals: int = 0
    killed: int = 0


class ConstraintValidator:
    """Verdicts on constraints for one model, whose `tokenizer.json` is given. Safe for one event loop.

    `modules` are those of functions that `run_limited` will be given: they are imported once, before any work.
    """

    def __init__(self, settings: ValidationSettings, tokenizer_file: Path, *, modules: Sequence[str] = ()) -> None:
        self.tokenizer_file = tokenizer_file
        self._settings = settings
        self._pool = LimitedProcesses(settings, tokenizer_file, modules)
        self._verdicts: OrderedDict[str, Verdict | Refusal] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Verdict | Refusal]] = {}
        self._statistics = Statistics()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @cached_property
    def tokenizer_digest(self) -> str:
        """SHA-256 of the tokenizer's file: verdicts and artifacts hold for one tokenizer."""
        with self.tokenizer_file.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    @property
    def stats(self) -> Statistics:
        """A copy of the counts."""
        counted = self._statistics
        return Statistics(counted.hits, counted.misses, counted.refusals, self._pool.killed)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the workers that live now."""
        return self._pool.processes

    async def start(self) -> None:
        """Start the processes in the background; a check that comes before they are ready waits for them."""
        self._pool.start()

    async def close(self) -> None:
        """End the processes; checks under way end with `Unavailable`."""
        for task in list(self._under_way.values()):
            task.cancel()
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)
        await self._pool.close()

    async def check(self, constraint: Constraint) -> Verdict:
        """Pass the constraint, or raise `ConstraintRefused`, whose pointer is into the constraint's value.

        Equal constraints are tried once. Raises `Unavailable` when the processes are busy or cannot start; such an
        answer is not remembered.
        """
        digest = constraint.digest
        hit = digest in self._verdicts or digest in self._under_way
        telemetry.instruments().cache_lookups.add(1, {names.CACHE: names.VERDICTS, names.HIT: hit})
        with telemetry.span(names.VALIDATE, {names.CONSTRAINT_KIND: constraint.kind, names.HIT: hit}):
            return await self._checked(digest, constraint)

    async def _checked(self, digest: str, constraint: Constraint) -> Verdict:
        known = self._verdicts.get(digest)
        if known is not None:
            self._verdicts.move_to_end(digest)
            self._statistics.hits += 1
        else:
            known = await self._try_once(digest, constraint)
        if isinstance(known, Verdict):
            return known
        self._statistics.refusals += 1
        raise ConstraintRefused(known.pointer, known.reason)

    async def run_limited(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function of a module (it is pickled by name) under the limits of a trial; answer its result.

        There, `functions.validation_child.tokenizer()` is the model's. Raises what the function raises,
        `ConstraintRefused` when it overruns a limit, and `Unavailable`.
        """
        try:
            return await self._pool.run(function, *arguments)
        except WorkerDied as death:
            raise self._why(death) from None

    async def _try_once(self, digest: str, constraint: Constraint) -> Verdict | Refusal:
        task = self._under_way.get(digest)
        if task is None:
            self._statistics.misses += 1
            task = asyncio.create_task(self._try(digest, constraint))
            self._under_way[digest] = task
            task.add_done_callback(lambda done: self._ended(digest, done))
        else:
            self._statistics.hits += 1
        try:
            return await asyncio.shield(task)  # one caller that goes away does not take the verdict from the others
        except asyncio.CancelledError:
            if task.cancelled():
                raise Unavailable(NAME, "it is closed") from None
            raise

    def _ended(self, digest: str, task: asyncio.Task[Verdict | Refusal]) -> None:
        del self._under_way[digest]
        if not task.cancelled():
            task.exception()  # retrieved, should every caller have gone away by now

    async def _try(self, digest: str, constraint: Constraint) -> Verdict | Refusal:
        verdict = await self._verdict(digest, constraint)
        self._verdicts[digest] = verdict
        while len(self._verdicts) > self._settings.cached_verdicts:
            self._verdicts.popitem(last=False)
        return verdict

    async def _verdict(self, digest: str, constraint: Constraint) -> Verdict | Refusal:
        size = len(constraint.source.encode(errors="surrogatepass"))
        if size > self._settings.max_source_bytes:
            return Refusal("", f"it is {size} bytes long; at most {self._settings.max_source_bytes} are taken")
        try:
            return Verdict(digest, await self._trial(constraint))
        except ConstraintRefused as refused:
            return Refusal(refused.pointer, refused.reason)
        except WorkerDied as death:
            log.warning("constraint ended its process", kind=constraint.kind, digest=digest, status=death.status)
            why = self._why(death)
            if isinstance(why, Unavailable):
                raise why from None
            return Refusal(why.pointer, why.reason)

    async def _trial(self, constraint: Constraint) -> Figures:
        """Twice, if need be: a worker may have been taken by the kernel for what others did."""
        try:
            figures: Figures = await self._pool.run(trial, constraint.kind, constraint.source)
        except WorkerDied as death:
            if death.status != -signal.SIGKILL:
                raise
            figures = await self._pool.run(trial, constraint.kind, constraint.source)
        return figures

    def _why(self, death: WorkerDied) -> ConstraintRefused | Unavailable:
        """What a worker's end says about its work. Nobody but the kernel's out-of-memory killer sends SIGKILL."""
        limits = self._settings
        match death.status:
            case None:
                return Unavailable(NAME, "its processes are being restarted", retry_after_s=1.0)
            case status if status == -signal.SIGPROF:
                return ConstraintRefused("", f"compiling it takes more than {limits.cpu_s:g} s of CPU time")
            case status if status in (-signal.SIGSEGV, -signal.SIGBUS):
                return ConstraintRefused("", "its references, rules or groups are nested too deeply")
            case status if status in (-signal.SIGABRT, -signal.SIGKILL):
                return ConstraintRefused(
                    "", f"llguidance needs more than {limits.memory_mib} MiB of memory to compile it"
                )
        return ConstraintRefused("", f"compiling it ended the process with status {death.status}")
