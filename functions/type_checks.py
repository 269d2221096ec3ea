"""Whether a candidate's types agree, by mypy, as a row of evidence."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

from functions.evidence import Check
from functions.failures import Failure
from functions.type_check_child import type_faults
from functions.validation_pool import LimitedProcesses, WorkerDied
from infra.settings import ValidationSettings

NAME = "types"
CPU_S = 5.0
MEMORY_MIB = 768
MODULES = ("functions.type_check_child",)
_MOST_SHOWN = 5

_log = structlog.get_logger()


class TypeChecker:
    """One process, which starts with the first candidate and stays. A check that it cannot make is skipped."""

    def __init__(self, settings: ValidationSettings, tokenizer_file: Path) -> None:
        own = {"processes": 1, "cpu_s": CPU_S, "memory_mib": MEMORY_MIB, "timeout_s": 2 * CPU_S, "max_waiting": 64}
        self._pool = LimitedProcesses(settings.model_copy(update=own), tokenizer_file, MODULES)
        self._directory = tempfile.TemporaryDirectory(prefix="lift-sys-types-")
        self._warming: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the process in the background, and have it read what Python's own library declares."""
        if self._warming is None:
            self._pool.start()
            self._warming = asyncio.create_task(self._warm_up())

    async def close(self) -> None:
        """End the process."""
        if self._warming is not None:
            self._warming.cancel()
            await asyncio.wait({self._warming})
        await self._pool.close()
        self._directory.cleanup()

    async def check(self, code: str) -> Check:
        """The row. It never raises: a candidate is not judged by what happens to the checker."""
        self.start()
        try:
            faults: list[str] | None = await self._run(type_faults, code)
        except (Failure, WorkerDied) as error:
            _log.warning("type check left out", error=type(error).__name__)
            return Check(NAME, "skipped", "the type checker gave no answer")
        if faults is None:
            return Check(NAME, "skipped", "the types cannot be told without more annotations")
        return Check(NAME, "failed" if faults else "passed", "; ".join(faults[:_MOST_SHOWN]))

    async def _warm_up(self) -> None:
        await self.check("import collections, dataclasses, datetime, functools, itertools, math, re, typing\n")

    async def _run(self, function: Callable[..., list[str] | None], code: str) -> list[str] | None:
        answer: list[str] | None = await self._pool.run(function, code, self._directory.name)
        return answer
