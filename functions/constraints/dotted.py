"""Dotted names: of modules, and of what is in them."""

import re

_DOTTED = re.compile(r"\.*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)


def check_dotted(names: tuple[str, ...]) -> tuple[str, ...]:
    """The names, if each is dotted identifiers (`os.path.join`); `ValueError` names the first that is not."""
    for name in names:
        if not _DOTTED.fullmatch(name):
            raise ValueError(f"{name!r} is not a name, nor names with dots between them")
    return names


def covers(module: str, name: str) -> bool:
    """Whether `name` is the module or below it."""
    return name == module or name.startswith(f"{module}.")


def prefixes(name: str) -> list[str]:
    """`a`, `a.b` for `a.b.c`: what is above it."""
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]
