"""An engine's process must not outlive the one that started it, and ends when that one says so, not the terminal.

vLLM loads `end_with_parent` in each of its processes, as a general plugin (the entry point is in pyproject.toml). Linux
offers PR_SET_PDEATHSIG for the first, but that is bound to the *thread* that forked; a pidfd (pidfd_open(2)) is bound
to the process.
"""

import contextlib
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
    if os.getppid() != parent.pid:  # it ended before, and its number may be another process's by now
        os._exit(1)
    threading.Thread(target=_exit_after, args=(descriptor,), name="parent-watch", daemon=True).start()
    # Ctrl-C goes to the whole process group of a terminal's foreground. It is for the server, which first lets what is
    # running finish or end, and then ends its engine.
    with contextlib.suppress(PermissionError):  # a session's leader has a group of its own already
        os.setpgid(0, 0)


def _exit_after(descriptor: int) -> None:
    select.select([descriptor], [], [])
    # Nothing to clean up: what this process holds (memory, sockets) ends with it.
    os._exit(1)
