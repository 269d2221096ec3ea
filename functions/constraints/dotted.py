"""Dotted names: of modules, and of what is in them. Relative ones (`.`, `..a`) begin with dots."""

import re
from collections.abc import Container

_DOTTED = re.compile(r"\.+|\.*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_MODULE = re.compile(r"[^\s\"'`\\\x00-\x1f]+")


def check_modules(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each could be a module's: dotted, as in Python, or a path (`@scope/name`), as in TypeScript."""
    for name in names:
        if not _MODULE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a module")
    return names


def check_dotted(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each is dotted identifiers (`os.path.join`); `ValueError` names the first that is not."""
    for name in names:
        if not _DOTTED.fullmatch(name):
            raise ValueError(f"{name!r} is not a name, nor names with dots between them")
    return names


def covering(entries: Container[str], name: str) -> str | None:
    """The entry that is `name` or above it, None if there is none. `.` is above every module of its own package."""
    dots = name[: len(name) - len(name.lstrip("."))]
    return next((above for above in (name, *prefixes(name), dots) if above and above in entries), None)


def covering_path(entries: Container[str], path: str) -> str | None:
    """The entry that is `path` (`@scope/name/part`) or above it, None if there is none."""
    parts = path.split("/")
    return next((above for end in range(len(parts), 0, -1) if (above := "/".join(parts[:end])) in entries), None)


def parent_and_name(path: str) -> tuple[str, str]:
    """`os.path`, `join` for `os.path.join`; `.`, `a` for `.a`; an empty parent for what has none."""
    dots = len(path) - len(path.lstrip("."))
    above, _, name = path[dots:].rpartition(".")
    return path[:dots] + above, name


def below(module: str, name: str) -> str:
    """The dotted name of what is imported from a module, relative ones included."""
    return f"{module}{name}" if module.endswith(".") else f"{module}.{name}"


def prefixes(name: str) -> list[str]:
    """`a`, `a.b` for `a.b.c`: what is above it. `.a` for `.a.b`."""
    dots = len(name) - len(name.lstrip("."))
    parts = name[dots:].split(".")
    return [name[:dots] + ".".join(parts[:end]) for end in range(1, len(parts))]
