"""Memory of a server: what is loaded at start is never garbage, and what a large request took is given back."""

import ctypes
import gc
from typing import Final

_YOUNG: Final = 20_000
"""Objects more than before that begin a collection of young ones; Python's own 700 is a third of one request's."""
# <malloc.h> of glibc
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8
_LARGE: Final = 2**20
_ARENAS: Final = 2


def give_back_what_was_large() -> None:
    """Let glibc map blocks of 1 MiB and more by themselves, so that freeing them gives them back to the system.

    By itself it takes larger and larger ones from its heaps once some have been freed, one heap for each of many
    threads: about 100 MiB more after some thousand hostile requests. Call it before threads are started. Where there is
    no glibc nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    for parameter, value in ((_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE), (_M_ARENA_MAX, _ARENAS)):
        if mallopt is not None:
            mallopt(parameter, value)


def keep_what_is_loaded() -> None:
    """Call it when a server has been put together. Nothing is freed later than it would be by counting references.

    Imports, routes and schemas are some hundred thousand objects. Without this the collector walks them again and again
    while requests make theirs: a tenth of a request's processor time (docs/benchmarks/web-tier.md).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
