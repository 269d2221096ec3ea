"""Extraction in a child process with limits: parsers meet whatever a stranger calls source code."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from functions.constraints.extraction.archives import ArchiveRefused, source_files_of_archive
from functions.constraints.extraction.mining import Extraction, extract
from functions.constraints.extraction.sources import Limits, SkippedFile, SourceFile
from functions.failures import Refused
from functions.validation_pool import LimitedProcesses, WorkerDied
from infra.settings import ValidationSettings

CPU_S = 20.0
MEMORY_MIB = 1024
MODULES = ("functions.constraints.extraction.limited",)


class Extractor:
    """Extracts one request after the other. Its process starts with the first, and stays."""

    def __init__(self, settings: ValidationSettings, tokenizer_file: Path, limits: Limits | None = None) -> None:
        own = {"processes": 1, "cpu_s": CPU_S, "memory_mib": MEMORY_MIB, "timeout_s": CPU_S, "max_waiting": 16}
        self._pool = LimitedProcesses(settings.model_copy(update=own), tokenizer_file, MODULES)
        self._limits = limits or Limits()
        self._started = asyncio.Lock()
        self._is_running = False

    async def close(self) -> None:
        """End the process."""
        await self._pool.close()

    async def of_files(self, files: Sequence[SourceFile]) -> Extraction:
        """Raises `Refused` for files beyond the limits together; one beyond its own is skipped."""
        if len(files) > self._limits.files:
            raise Refused("/files", f"at most {self._limits.files} files are taken; these are {len(files)}")
        return await self._run(extract_files, list(files), self._limits)

    async def of_archive(self, data: bytes) -> Extraction:
        """From a zip or a tar, compressed or not. Raises `Refused` for what is none, or unpacks beyond the limits."""
        return await self._run(extract_archive, data, self._limits)

    async def _run(self, function: object, *arguments: object) -> Extraction:
        async with self._started:
            if not self._is_running:
                self._pool.start()
                self._is_running = True
        try:
            result: Extraction = await self._pool.run(function, *arguments)  # type: ignore[arg-type] # functions below
        except WorkerDied:
            why = f"reading it takes more than {CPU_S:g} s or {MEMORY_MIB} MiB: send less at once"
            raise Refused("", why) from None
        except ArchiveRefused as refused:
            raise Refused("", str(refused)) from None
        return result


def extract_files(files: Sequence[SourceFile], limits: Limits) -> Extraction:
    """For the child process."""
    skipped = [
        SkippedFile(file.path, f"it is longer than {limits.file_bytes} bytes")
        for file in files
        if len(file.text) > limits.file_bytes
    ]
    result = extract([file for file in files if len(file.text) <= limits.file_bytes])
    return Extraction(result.constraint_sets, [*skipped, *result.skipped], result.files_read)


def extract_archive(data: bytes, limits: Limits) -> Extraction:
    """For the child process."""
    files, skipped = source_files_of_archive(data, limits)
    result = extract(files)
    return Extraction(result.constraint_sets, [*skipped, *result.skipped], result.files_read)
