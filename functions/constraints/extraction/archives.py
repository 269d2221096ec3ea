"""The source files of a zip or tar, read in memory: nothing is ever written to disk, so no path can escape."""

import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from functions.constraints.extraction.sources import Limits, SkippedFile, SourceFile

_BLOCK = 64 * 1024
# Others' code, and what tools leave behind: not this code base's own habits.
_FOREIGN = {
    "node_modules",
    ".git",
    ".venv",
    "venv",
    "__pycache__",
    "site-packages",
    "vendor",
    "third_party",
    "dist",
    "build",
}


class ArchiveRefused(Exception):  # noqa: N818 - says what happened
    """Not an archive that can be read, or one over the limits; the message says which."""


@dataclass(frozen=True)
class _Member:
    path: str
    content: IO[bytes]


def source_files_of_archive(data: bytes, limits: Limits) -> tuple[list[SourceFile], list[SkippedFile]]:
    """Every file of a language that can be read here, and what was skipped. Raises `ArchiveRefused`.

    A declared size is not believed: bytes are counted as they are unpacked, so a bomb stops at the limit.
    """
    files: list[SourceFile] = []
    skipped: list[SkippedFile] = []
    total = 0
    try:
        for member in _members(data):
            name = _safe_name(member.path)
            if name is None:
                skipped.append(SkippedFile(member.path[:200], "its path leads out of the archive"))
                continue
            if SourceFile(name, "").language is None or _FOREIGN & set(PurePosixPath(name).parts):
                continue
            if len(files) >= limits.files:
                raise ArchiveRefused(f"more than {limits.files} source files")
            content = _read(member, limits.file_bytes)
            if content is None:
                skipped.append(SkippedFile(name, f"larger than {limits.file_bytes} bytes"))
                continue
            total += len(content)
            if total > limits.total_bytes:
                raise ArchiveRefused(f"more than {limits.total_bytes} bytes of source")
            try:
                files.append(SourceFile(name, content.decode()))
            except UnicodeDecodeError:
                skipped.append(SkippedFile(name, "not UTF-8"))
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise ArchiveRefused(f"not a zip or tar that can be read: {error}") from None
    return files, skipped


def _members(data: bytes) -> Iterator[_Member]:
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                is_link = stat.S_ISLNK(info.external_attr >> 16)
                if info.is_dir() or is_link:
                    continue
                with archive.open(info) as content:
                    yield _Member(info.filename, content)
        return
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for entry in archive:
            if entry.isfile() and (unpacked := archive.extractfile(entry)) is not None:
                yield _Member(entry.name, unpacked)


def _safe_name(path: str) -> str | None:
    pure = PurePosixPath(path.replace("\\", "/"))
    return None if pure.is_absolute() or ".." in pure.parts or "\0" in path else str(pure)


def _read(member: _Member, limit: int) -> bytes | None:
    content = bytearray()
    while block := member.content.read(_BLOCK):
        content += block
        if len(content) > limit:
            return None
    return bytes(content)
