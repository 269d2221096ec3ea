"""An engine core must not outlive the process that started it.

vLLM loads `end_with_parent` in each of its processes, as a general plugin (the entry point is in pyproject.toml). Linux
offers PR_SET_PDEATHSIG for this, but that is bound to the *thread* that forked; a pidfd (pidfd_open(2)) is bound to the
process.
"""

import multiprocessing
import os
import select
import threading


def end_with_parent() -> None:
    """In a process started by `multiprocessing`: end at once when the parent has ended. Elsewhere: nothing."""
    parent = multiprocessing.parent_process()
    if parent is None or parent.pid is None:
        return
    try:
        descriptor = os.pidfd_open(parent.pid)
    except ProcessLookupError:
        os._exit(1)
    threading.Thread(target=_wait_and_exit, args=(descriptor,), name="parent-watch", daemon=True).start()


def _wait_and_exit(descriptor: int) -> None:
    select.select([descriptor], [], [])
    # Nothing to clean up: what this process holds (memory, sockets, shared memory) ends with it.
    os._exit(1)
