"""`python -m proofs.watched_server`: `make serve`'s server; on SIGUSR1 it writes what it holds: `.local/held.json`.

What it writes is for `proofs.endurance`: its asyncio tasks by what they run, and its threads.
"""

import asyncio
import json
import signal
import sys
import threading
from collections import Counter
from types import FrameType

from infra.local.serve import STATE, main

HELD = STATE / "held.json"


def tell(_signal: int, _frame: FrameType | None) -> None:
    """Write the file in one step, from the main thread, in which the event loop runs."""
    coroutines = [task.get_coro() for task in asyncio.all_tasks()]
    tasks = Counter(str(getattr(coroutine, "__qualname__", coroutine)) for coroutine in coroutines)
    unfinished = HELD.with_suffix(".new")
    unfinished.write_text(json.dumps({"tasks": tasks, "threads": threading.active_count()}))
    unfinished.replace(HELD)


if __name__ == "__main__":
    signal.signal(signal.SIGUSR1, tell)
    sys.exit(main())
