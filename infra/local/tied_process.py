"""Run a program that cannot outlive whoever started it, as another user if need be.

`tied(...)` gives the command line; this file is also the small program that it runs first, isolated and without
`site`, which becomes the program that was meant (`exec`: same process id). A `preexec_fn` could do the same, but it
runs Python between `fork` and `exec`, which can deadlock in a process with threads.

Linux sends the signal when the *thread* that started the process ends (prctl(2), PR_SET_PDEATHSIG): start tied
processes from the main thread.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
NOT_STARTED = 126  # what shells answer for a program that cannot be executed


@dataclass(frozen=True)
class Account:
    """A user of the operating system."""

    name: str
    uid: int
    gid: int


def tied(
    command: Sequence[str | Path], *, ending: signal.Signals = signal.SIGTERM, account: Account | None = None
) -> list[str]:
    """`command`, to be given to `subprocess.Popen`: gets `ending` when the calling process dies.

    With an `account`, which takes root, the program runs as that user alone, without further groups.
    """
    user = f"{account.uid}:{account.gid}" if account else "-"
    shim = [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(ending)), user]
    return [*shim, *map(str, command)]


def main(parent: str, ending: str, user: str, *command: str) -> int:
    """Become `command`; returns only when that is not possible."""
    try:
        if user != "-":
            uid, gid = map(int, user.split(":"))
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        # After the change of user, which would clear it.
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(PR_SET_PDEATHSIG, int(ending), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")  # noqa: TRY301 - reported like the others
        if os.getppid() != int(parent):
            return NOT_STARTED  # it died before the signal was set up
        os.execv(command[0], command)  # noqa: S606 - becoming that program is the purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]} could not be started: {error}\n")
        return NOT_STARTED


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
