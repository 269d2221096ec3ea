"""What is read: source files as text, within limits."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

Language = Literal["python", "typescript"]

_LANGUAGES: dict[str, Language] = {
    ".py": "python",
    ".pyi": "python",
    ".ts": "typescript",
    ".tsx": "typescript",
    ".mts": "typescript",
    ".cts": "typescript",
}


@dataclass(frozen=True)
class Limits:
    """Bounds of one extraction; a file over its own is skipped and named, a whole over its own is refused."""

    files: int = 2_000
    file_bytes: int = 512 * 1024
    total_bytes: int = 20 * 1024 * 1024


@dataclass(frozen=True)
class SourceFile:
    """One file: its path as the client named it (never opened here) and its text."""

    path: str
    text: str

    @property
    def language(self) -> Language | None:
        """By the file's suffix; None when it is none that can be read here."""
        return _LANGUAGES.get(PurePosixPath(self.path).suffix.lower())

    @property
    def is_test(self) -> bool:
        """By the conventions of pytest, Jest and Vitest."""
        path = PurePosixPath(self.path)
        return (
            path.name.startswith("test_")
            or path.stem.endswith(("_test", ".test", ".spec"))
            or bool({"tests", "test", "__tests__"} & set(path.parts[:-1]))
        )


@dataclass(frozen=True)
class SkippedFile:
    """A file that was not read, and why."""

    path: str
    reason: str
