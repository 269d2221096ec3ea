"""A process that has imported what judges need, and forks one for each candidate.

Started as a program of its own, isolated and without `site`, with nothing in its environment. No candidate runs in it,
and it never sees one: each fork reads its job from the connection that came with the order, and then does what
`functions.sandbox_child` does in a process that was started for it.

Orders are datagrams of JSON: `fork` comes with the connection, under a number; `end` kills what has that number, with
all that it started. When the other end is closed, everything ends.
"""

import contextlib
import gc
import json
import os
import signal
import socket
import sys
from typing import Any

_ORDER_BYTES = 4096
_OPEN_FILES = 64


def main() -> None:
    """Say that all is imported, then follow the orders, which come by the descriptor that is the first argument."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 - pathlib is slow to import
    from functions import sandbox_child  # noqa: PLC0415 - found from here on

    control = socket.socket(fileno=int(sys.argv[1]))
    _, judge = sandbox_child.own_modules(json.loads(sys.argv[2]))
    judge.warm_up()
    gc.freeze()
    control.send(b"ready")
    forked: dict[int, int] = {}
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, _ORDER_BYTES, 1)
        if not data:
            break
        match json.loads(data):
            case {"fork": int(number)}:
                forked[number] = _fork(descriptors[0], sandbox_child)
                os.close(descriptors[0])
            case {"end": int(number)}:
                _end(forked.pop(number))
    for pid in forked.values():
        _end(pid)


def _fork(connection: int, sandbox_child: Any) -> int:
    pid = os.fork()
    if pid == 0:
        os.setsid()
        sandbox_child.call("prctl", sandbox_child.PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        os.dup2(connection, 0)
        os.dup2(connection, 1)
        os.closerange(3, _OPEN_FILES)  # the orders are not for it
        try:
            sandbox_child.main()
        finally:
            os._exit(1)
    return pid


def _end(pid: int) -> None:
    """Nobody else waits for it, so that its number is still its own."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:  # it has no group of its own yet
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
