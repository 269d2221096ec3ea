"""One cache for compiled constraints, verdicts and answers: a Modal Dict in the cloud, files on a laptop.

A cache is only ever a cache: a store that is slow, full, broken or gone makes a miss, never an error. What is stored is
bytes, under a key that holds the version of their maker, so that a new version never reads what an old one wrote.
"""

import asyncio
import hashlib
import os
import struct
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import modal
import structlog

STORE_TIMEOUT_S: Final = 1.0
STORE_PAUSE_S: Final = 5.0
"""A store that failed is not asked again for so long: one slow answer, not one for every request."""
_WRITTEN_AT: Final = struct.Struct("<d")

_log = structlog.get_logger()
T = TypeVar("T")


class Store(Protocol):
    """Where a cache keeps its entries. Any method may raise anything."""

    async def get(self, key: str) -> bytes | None:
        """The value, or `None`."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Store it, over what was there."""
        ...

    async def add(self, key: str, value: bytes) -> bool:
        """Store it where nothing is there; `False` where something is. Of many at once, one gets `True`."""
        ...

    async def remove(self, key: str) -> None:
        """Remove it; nothing happens where nothing is there."""
        ...


@dataclass
class CacheStatistics:
    """Counts since the process started. `refused` were too large to store."""

    hits: int = 0
    misses: int = 0
    failures: int = 0
    refused: int = 0


class Cache:
    """Entries of one kind (`name`) made by one `version` of their maker, for at most `max_age_s`.

    A value over `max_bytes` is not stored.
    """

    def __init__(self, store: Store, *, name: str, version: str, max_age_s: float, max_bytes: int = 1 << 20) -> None:
        self.statistics = CacheStatistics()
        self._store = store
        self._prefix = f"{name}/{version}"
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._paused_until = 0.0

    async def get(self, key: str) -> bytes | None:
        """The value stored for `key`, of any length and content, or `None`."""
        found = await self._read(self._full(key))
        if found is None:
            self.statistics.misses += 1
        else:
            self.statistics.hits += 1
        return found

    async def put(self, key: str, value: bytes) -> None:
        """Store a value, if it is not too large."""
        await self._write(self._full(key), value)

    async def _read(self, full: str) -> bytes | None:
        entry = await self._ask(self._store.get(full), None)
        if entry is None or len(entry) < _WRITTEN_AT.size:
            return None
        (written_at,) = _WRITTEN_AT.unpack_from(entry)
        if time.time() - written_at > self._max_age_s:
            return None
        return entry[_WRITTEN_AT.size :]

    async def _write(self, full: str, value: bytes) -> None:
        if len(value) > self._max_bytes:
            self.statistics.refused += 1
            return
        await self._ask(self._store.put(full, _WRITTEN_AT.pack(time.time()) + value), None)

    async def _ask(self, answer: Coroutine[Any, Any, T], default: T) -> T:
        if time.monotonic() < self._paused_until:
            answer.close()
            return default
        try:
            async with asyncio.timeout(STORE_TIMEOUT_S):
                return await answer
        except Exception as error:  # noqa: BLE001 - a cache never fails a request, whatever its store raises
            self.statistics.failures += 1
            self._paused_until = time.monotonic() + STORE_PAUSE_S
            _log.warning("cache store failed", cache=self._prefix, error=type(error).__name__)
            return default

    def _full(self, key: str) -> str:
        return f"{self._prefix}/{hashlib.sha256(key.encode()).hexdigest()}"


class DictStore:
    """A Modal Dict, shared by all containers. Entries go a week after their last use."""

    def __init__(self, entries: modal.Dict) -> None:
        self._entries: Any = entries  # its methods' `.aio` forms are not in its type stubs' protocol

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        value: bytes | None = await self._entries.get.aio(key)
        return value

    async def put(self, key: str, value: bytes) -> None:
        """See `Store`."""
        await self._entries.put.aio(key, value)

    async def add(self, key: str, value: bytes) -> bool:
        """See `Store`. `skip_if_exists` is decided by Modal's server, so it works as a lock."""
        return bool(await self._entries.put.aio(key, value, skip_if_exists=True))

    async def remove(self, key: str) -> None:
        """See `Store`."""
        await self._entries.pop.aio(key, None)


class FileStore:
    """Files in a directory that processes may share; the least recently used go when they exceed `max_bytes`.

    A file is written beside its place and renamed into it: a reader sees the old value or the new one, never a part.
    """

    def __init__(self, directory: Path, *, max_bytes: int) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._written = 0
        directory.mkdir(parents=True, exist_ok=True)

    async def get(self, key: str) -> bytes | None:
        """See `Store`."""
        return await asyncio.to_thread(self._get, key)

    async def put(self, key: str, value: bytes) -> None:
        """See `Store`."""
        await asyncio.to_thread(self._put, key, value, os.replace)

    async def add(self, key: str, value: bytes) -> bool:
        """See `Store`."""
        try:
            await asyncio.to_thread(self._put, key, value, os.link)
        except FileExistsError:
            return False
        return True

    async def remove(self, key: str) -> None:
        """See `Store`."""
        await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._directory / hashlib.sha256(key.encode()).hexdigest()

    def _get(self, key: str) -> bytes | None:
        path = self._path(key)
        try:
            value = path.read_bytes()
            os.utime(path)  # its age is the time since its last use
        except FileNotFoundError:
            return None
        return value

    def _put(self, key: str, value: bytes, place: Callable[[Path, Path], None]) -> None:
        beside = self._directory / f".{uuid.uuid4().hex}"
        try:
            beside.write_bytes(value)
            place(beside, self._path(key))
        finally:
            beside.unlink(missing_ok=True)
        self._written += len(value)
        if self._written > self._max_bytes // 8:
            self._written = 0
            self._evict()

    def _evict(self) -> None:
        """Bring what is there under the bound. Looked at after every eighth of it, so it may be exceeded by as much."""
        files = [(entry.stat(), entry.path) for entry in os.scandir(self._directory) if entry.is_file()]
        total = sum(state.st_size for state, _ in files)
        for state, path in sorted(files, key=lambda file: file[0].st_mtime_ns):
            if total <= self._max_bytes * 7 // 8:
                break
            Path(path).unlink(missing_ok=True)
            total -= state.st_size
