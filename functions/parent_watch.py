"""An engine's process must not outlive the one that started it, and ends when that one says so, not the terminal."""

import contextlib
import os
import select
import threading


def end_with(parent: int) -> None:
    """End this process at once when the process `parent` has ended, also when it ended before this was called.

    Linux offers PR_SET_PDEATHSIG for this, but that is bound to the *thread* that forked, and says nothing of a parent
    that has ended already; a pidfd (pidfd_open(2)) is bound to the process.
    """
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
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
