"""The cache over files; over a Modal Dict it is tried in tests/modal_control_plane."""

import asyncio
import os
from pathlib import Path

import pytest

from functions.cache import Cache, FileStore


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "cache", max_bytes=1 << 20)


def cache_over(store: FileStore, *, version: str = "1", max_age_s: float = 60.0, max_bytes: int = 1000) -> Cache:
    return Cache(store, name="verdicts", version=version, max_age_s=max_age_s, max_bytes=max_bytes)


async def test_what_was_put_is_found_and_counted(store: FileStore):
    cache = cache_over(store)
    assert await cache.get("schema") is None
    await cache.put("schema", b"fits")
    assert await cache.get("schema") == b"fits"
    assert (cache.statistics.hits, cache.statistics.misses) == (1, 1)


async def test_a_value_may_be_empty_and_a_key_may_be_anything(store: FileStore):
    cache = cache_over(store)
    await cache.put("../../etc/passwd\0" * 1000, b"")
    assert await cache.get("../../etc/passwd\0" * 1000) == b""


async def test_a_new_version_does_not_read_what_an_old_one_wrote(store: FileStore):
    await cache_over(store, version="1").put("schema", b"old")
    assert await cache_over(store, version="2").get("schema") is None


async def test_an_entry_over_its_age_is_gone(store: FileStore):
    await cache_over(store).put("schema", b"fits")
    assert await cache_over(store, max_age_s=-1).get("schema") is None


async def test_a_value_over_the_bound_is_not_stored(store: FileStore):
    cache = cache_over(store, max_bytes=3)
    await cache.put("schema", b"long")
    assert await cache.get("schema") is None
    assert cache.statistics.refused == 1


async def test_a_broken_store_makes_misses_and_is_left_alone_for_a_while():
    asked: list[str] = []

    class Broken:
        async def get(self, key: str, *_: bytes) -> bytes | None:
            asked.append(key)
            raise ConnectionError

        put = add = remove = get

    cache = Cache(Broken(), name="verdicts", version="1", max_age_s=60)  # type: ignore[arg-type] # broken in its types, too
    assert await cache.get("schema") is None
    await cache.put("schema", b"fits")
    assert len(asked) == 1
    assert cache.statistics.failures == 1


async def test_files_stay_within_their_bound_and_the_least_used_go_first(tmp_path: Path):
    store = FileStore(tmp_path, max_bytes=8000)
    for number in range(100):
        await store.put(f"key {number}", b"x" * 500)
        await store.get("key 0")
        assert sum(entry.stat().st_size for entry in os.scandir(tmp_path)) <= 8000 * 9 // 8
    assert await store.get("key 0") is not None
    assert await store.get("key 1") is None
    assert await store.get("key 99") is not None


async def test_of_many_who_add_one_succeeds(store: FileStore):
    added = await asyncio.gather(*(store.add("lock", bytes([n])) for n in range(50)))
    assert sum(added) == 1
    await store.remove("lock")
    await store.remove("lock")
    assert await store.add("lock", b"again")


async def test_a_reader_never_sees_a_part(store: FileStore):
    values = [bytes([letter]) * 100_000 for letter in b"ab"]
    await store.put("key", values[0])

    async def write() -> None:
        for turn in range(50):
            await store.put("key", values[turn % 2])

    writing = asyncio.create_task(write())
    while not writing.done():
        assert await store.get("key") in values
