"""Python's garbage collector in a server: what is loaded at start is never garbage, and looking at it costs requests.

Imports, routes and schemas are some hundred thousand objects. Without this the collector walks them again and again
while requests make theirs: a tenth of a request's processor time (docs/benchmarks/web-tier.md).
"""

import gc
from typing import Final

_YOUNG: Final = 20_000
"""Objects more than before that begin a collection of young ones; Python's own 700 is a third of one request's."""


def keep_what_is_loaded() -> None:
    """Call it when a server has been put together. Nothing is freed later than it would be by counting references."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 10, 10)
