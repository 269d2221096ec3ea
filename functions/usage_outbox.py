"""Use that could not be booked, in files that outlive this process: one for each piece of work, whole or not there."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import structlog
from pydantic import ValidationError

from functions.ledger import LateUse

SUFFIX = ".json"
UNREADABLE = ".unreadable"
UNBOOKABLE = ".unbookable"

_log = structlog.get_logger()


class UsageOutbox:
    """Entries by id, at most `most` of them. `kept` is awaited after each change, where a disk alone keeps nothing.

    What changes an entry raises `OSError`, also where `kept` failed: the change is made then, and may not last.
    """

    def __init__(self, directory: Path, most: int, *, kept: Callable[[], Awaitable[None]] | None = None) -> None:
        self._directory = directory
        self._most = most
        self._kept = kept
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ids = {path.stem for path in directory.glob(f"*{SUFFIX}")}
        self._writing: dict[str, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another entry."""
        return len(self._ids) >= self._most

    async def put(self, use: LateUse) -> None:
        """Keep it, in the place of what was kept under its id."""
        self._ids.add(use.id)
        writing = self._writing[use.id] = asyncio.create_task(asyncio.to_thread(self._write, use))
        writing.add_done_callback(partial(self._written, use.id))
        await asyncio.shield(writing)  # a thread goes on, whoever is cancelled: `remove` must know of it
        self._ids.add(use.id)  # who has read meanwhile has not found it
        await self._keep()

    async def entries(self) -> list[LateUse]:
        """All of them, those of earlier processes too; oldest first. What others have booked counts no more."""
        known = self._ids.copy()
        found = await asyncio.to_thread(self._read)
        self._ids = self._ids - known | {use.id for use in found}
        return sorted(found, key=lambda use: use.began_at)

    async def remove(self, use: LateUse) -> None:
        """It is booked, or was never begun: what is still being written is removed when it is."""
        if (writing := self._writing.get(use.id)) is not None:
            writing.add_done_callback(lambda _: self._path(use).unlink(missing_ok=True))
        self._path(use).unlink(missing_ok=True)
        self._ids.discard(use.id)
        await self._keep()

    async def set_aside(self, use: LateUse, reason: str) -> None:
        """It cannot be booked, ever; a person may look at it."""
        _log.error("use cannot be booked", id=use.id, user_id=use.user_id, usd=use.usd, reason=reason)
        self._path(use).replace(self._path(use).with_suffix(UNBOOKABLE))
        self._ids.discard(use.id)
        await self._keep()

    def _written(self, id_: str, writing: asyncio.Task[None]) -> None:
        if self._writing.get(id_) is writing:
            del self._writing[id_]

    async def _keep(self) -> None:
        if self._kept is None:
            return
        try:
            await self._kept()
        except Exception as error:  # a platform's client raises errors of several libraries
            raise OSError(f"what was written may not be kept ({type(error).__name__}: {error})") from error

    def _path(self, use: LateUse) -> Path:
        return self._directory / f"{uuid.UUID(use.id)}{SUFFIX}"

    def _write(self, use: LateUse) -> None:
        path = self._path(use)
        unfinished = path.with_suffix(f".{uuid.uuid4().hex}")
        with unfinished.open("x") as file:
            file.write(use.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # of the name, too
        finally:
            os.close(descriptor)

    def _read(self) -> list[LateUse]:
        found = []
        for path in self._directory.glob(f"*{SUFFIX}"):
            try:
                found.append(LateUse.model_validate_json(path.read_bytes()))
            except FileNotFoundError:
                continue  # another process has booked it
            except ValidationError:
                _log.error("a note of use cannot be read", file=path.name)
                path.replace(path.with_suffix(UNREADABLE))
                self._ids.discard(path.stem)
        return found
