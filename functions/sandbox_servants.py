"""Runs inside the sandbox: processes that hold a candidate, apart from the one that judges what it gives.

A servant is forked before the judge reads what it judges by: a candidate that looks through its process's memory finds
nothing of it there. It may import the standard library alone.
"""

import contextlib
import io
import json
import linecache
import os
import select
import signal
import socket
import time
from typing import Any

from functions.plain_values import NotPlain, read, written

LONGEST_REPR = 10_000
LONGEST_REPLY = 16 * LONGEST_REPR
_OPEN_FILES = 64


class Servant:
    """A process that defines a candidate when it is first asked, and makes one call after the other."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.process = os.fork()
        if self.process == 0:
            # All else that is open: the report, the other servants, and what the judge has yet to read.
            own = theirs.detach()
            os.dup2(own, 3)
            os.closerange(4, _OPEN_FILES)
            serve(socket.socket(fileno=3))
            os._exit(0)
        theirs.close()
        self._connection = ours
        self._received = b""

    def ask(self, request: dict[str, str], within_s: float) -> dict[str, Any] | None:
        """The answer; None when it does not come in time, or is none. The servant is of no use after that."""
        try:
            self._connection.sendall(json.dumps(request).encode() + b"\n")
            until = time.monotonic() + within_s
            while b"\n" not in self._received:
                ready, _, _ = select.select([self._connection], [], [], max(0.0, until - time.monotonic()))
                part = self._connection.recv(65_536) if ready else b""
                if not part or len(self._received) > LONGEST_REPLY:
                    return None
                self._received += part
            line, _, self._received = self._received.partition(b"\n")
            answer = json.loads(line)
        except (OSError, ValueError, RecursionError):
            return None
        return answer if isinstance(answer, dict) else None

    def end(self) -> None:
        """Kill it."""
        with contextlib.suppress(OSError):
            os.kill(self.process, signal.SIGKILL)
        self._connection.close()


def serve(connection: socket.socket) -> None:
    """Answer requests until the judge is gone: `code` defines the candidate, `call` is evaluated in it.

    `function` is one of its functions, which is called with the `arguments` of `plain_values`.
    """
    namespace: dict[str, Any] = {}
    for line in connection.makefile("rb"):
        request = json.loads(line)
        if "code" in request:
            namespace, error = defined(request["code"])
            answer: dict[str, Any] = {"error": error}
        elif "function" in request:
            answer = invoked(request["function"], request["arguments"], namespace)
        else:
            answer = attempt(request["call"], namespace)
        connection.sendall(json.dumps(answer).encode() + b"\n")


def defined(code: str) -> tuple[dict[str, Any], str | None]:
    """The candidate's names, and what its definition raised, if it did."""
    namespace: dict[str, Any] = {"__name__": "candidate"}
    linecache.cache["<candidate>"] = (len(code), None, code.splitlines(keepends=True), "<candidate>")
    with silence():
        try:
            exec(compile(code, "<candidate>", "exec"), namespace)  # noqa: S102 - the purpose of this process
        except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever it does is its result
            return {}, described(error)
    return namespace, None


def attempt(expression: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Make one call of the candidate: its value's `repr`, or the classes of what it raised."""
    with silence():
        try:
            value = eval(expression, dict(namespace))  # noqa: S307 - as above
            return {"value": repr(value)[:LONGEST_REPR]}
        except BaseException as error:  # noqa: BLE001 - as above
            return {"raised": [c.__name__ for c in type(error).__mro__[:-2]], "error": described(error)}


def invoked(function: str, arguments: str, namespace: dict[str, Any]) -> dict[str, Any]:
    """Make one call: its value, and its arguments as they are afterwards; or what it raised, or why it is not told."""
    with silence():
        try:
            positional, named = read(arguments)
            value = namespace[function](*positional, **named)
            answer = {"value": written(value), "arguments": written((positional, named))}
        except NotPlain as error:
            return {"unplain": f"it gave {error}"}
        except BaseException as error:  # noqa: BLE001 - as above
            return {"raised": [c.__name__ for c in type(error).__mro__[:-2]], **_told(error)}
    if sum(map(len, answer.values())) > LONGEST_REPR * 10:
        return {"unplain": "it gave more than can be told"}
    return answer


def _told(error: BaseException) -> dict[str, str]:
    message = ""
    with contextlib.suppress(Exception):
        message = str(error)[:500]
    return {"message": message, "error": described(error)}


def described(error: BaseException) -> str:
    """One line, with where in the candidate it was raised; an exception's own `str` is its code and may fail."""
    text = type(error).__name__
    with contextlib.suppress(Exception):
        text = f"{text}: {error}"[:500]
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<candidate>":
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    if not lines:
        return text
    return f"{text} (line {lines[-1]}: {linecache.getline('<candidate>', lines[-1]).strip()[:200]})"


def silence() -> contextlib.ExitStack:
    """What the candidate prints goes nowhere."""
    nowhere = io.StringIO()
    with contextlib.ExitStack() as both:
        both.enter_context(contextlib.redirect_stdout(nowhere))
        both.enter_context(contextlib.redirect_stderr(nowhere))
        return both.pop_all()
