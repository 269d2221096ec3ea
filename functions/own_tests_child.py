"""Runs inside the sandbox: a session's own tests, in another process than the candidate that they call.

The tests' function is one that has a servant call the candidate: values go there and come back as `plain_values`, an
exception as the builtin that it is or derives from, and a list that the candidate changes is changed here too.
"""

import ast
import builtins
import linecache
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from functions import own_tests_pytest
from functions.own_tests import tests_of
from functions.plain_values import NotPlain, read, written
from functions.sandbox_servants import Servant

SERVANTS = 3
"""A candidate may hang or crash so often; after that it is not called any more."""
CALL_S = 1.0
DEFINE_S = 3.0
TEST_S = 3.0
"""Wall time of one test with all its calls."""
BUDGET_S = 6.0
"""Wall time of them all."""
FILE = "<tests>"
NO_CALL = "it does not call the function"


class _Stopped(BaseException):
    """The test cannot go on. `verdict` is the row's."""

    def __init__(self, verdict: str, why: str) -> None:
        super().__init__(why)
        self.verdict = verdict


def judge(given: dict[str, Any], code: str, servants: Sequence[Servant]) -> dict[str, Any]:
    """A row for each test: its name, its verdict ("passed", "failed", "skipped") and what was seen."""
    tree = ast.parse(given["source"])
    tests = list(tests_of(tree, given["tested"]))
    function = _Function(given["function"], code, servants)
    until = time.monotonic() + BUDGET_S
    signal.signal(signal.SIGALRM, _time_is_up)
    namespace: dict[str, Any] = {"__name__": "tests", given["tested"]: function}
    linecache.cache[FILE] = (len(given["source"]), None, given["source"].splitlines(keepends=True), FILE)
    asserted = {id(node) for _, node in tests if not isinstance(node, ast.FunctionDef)}
    tree.body = [node for node in tree.body if id(node) not in asserted]
    loaded = _attempt("all tests", lambda: _execute(tree, namespace), function, until)
    if loaded["verdict"] != "passed" and loaded["detail"] != NO_CALL:
        return {"rows": [{**loaded, "name": name} for name, _ in tests]}
    return {"rows": [_attempt(name, _runner(node, namespace), function, until) for name, node in tests]}


def load() -> None:
    """Make ready what tests may import that is not the standard library's: Hypothesis, where it is in sight."""
    own_tests_pytest.offer()
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
    if find_spec("hypothesis") is None:
        return
    hypothesis = import_module("hypothesis")
    import_module("hypothesis.strategies")
    every = list(hypothesis.HealthCheck)
    hypothesis.settings.register_profile(
        "tests", database=None, deadline=None, derandomize=True, suppress_health_check=every
    )
    hypothesis.settings.load_profile("tests")


def _execute(tree: ast.Module, namespace: dict[str, Any]) -> None:
    exec(compile(tree, FILE, "exec"), namespace)  # noqa: S102 - the user's own, in the user's own sandbox


def _runner(node: ast.stmt, namespace: dict[str, Any]) -> Callable[[], None]:
    if not isinstance(node, ast.FunctionDef):
        return lambda: _execute(ast.Module([node], []), namespace)

    def run() -> None:
        test = namespace[node.name]
        for case in getattr(test, own_tests_pytest.CASES, [{}]):
            test(**case)

    return run


def _attempt(name: str, run: Callable[[], None], function: "_Function", until: float) -> dict[str, str]:
    """The row of one test."""
    function.begin()
    left_s = min(TEST_S, until - time.monotonic())
    if left_s <= 0:
        return {"name": name, "verdict": "failed", "detail": "the tests before it took all of the time"}
    signal.setitimer(signal.ITIMER_REAL, left_s)
    try:
        run()
    except _Stopped as stopped:
        return {"name": name, "verdict": stopped.verdict, "detail": str(stopped)[:700]}
    except BaseException as error:  # noqa: BLE001 - also SystemExit: whatever a test raises, it has not passed
        return {"name": name, "verdict": "failed", "detail": f"{_seen(error)}{function.last}"[:1_000]}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    if not function.calls:
        return {"name": name, "verdict": "skipped", "detail": NO_CALL}
    return {"name": name, "verdict": "passed", "detail": f"{function.calls} call{'s' if function.calls > 1 else ''}"}


def _time_is_up(_number: int, _frame: Any) -> None:
    raise _Stopped("failed", "it did not end in time")


def _seen(error: BaseException) -> str:
    """Where in the tests it was raised, and what."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    where = f"line {lines[-1]}: {linecache.getline(FILE, lines[-1]).strip()[:300]}" if lines else "the tests"
    what = str(error)[:300]
    if isinstance(error, AssertionError):
        return f"{where} does not hold{f': {what}' if what else ''}"
    return f"{where} raised {type(error).__name__}{f': {what}' if what else ''}"


class _Function:
    """The candidate as the tests see it."""

    def __init__(self, name: str, code: str, servants: Sequence[Servant]) -> None:
        self.__name__ = name
        self._code = code
        self._waiting = list(servants)
        self._ready: Servant | None = None
        self.begin()

    def begin(self) -> None:
        """Forget the calls of the test before."""
        self.calls = 0
        self.last = ""

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            text = written((arguments, named))
        except (NotPlain, RecursionError) as error:
            raise _Stopped("skipped", f"{error} cannot be given to the function from here") from None
        answer = self._ask(text)
        self.calls += 1
        shown = f"; {self._shown(arguments, named)}"
        if "unplain" in answer:
            raise _Stopped(
                "skipped", f"{self._shown(arguments, named)}: {answer['unplain']}, which cannot be told here"
            )
        if "raised" in answer:
            self.last = f"{shown} raised {answer.get('error')}"
            raise _exception(answer)
        try:
            value = read(str(answer["value"]))
            after, after_named = read(str(answer["arguments"]))
        except (ValueError, KeyError, TypeError):
            raise _Stopped("failed", "its answer is none") from None
        self.last = f"{shown} gave {str(answer['value'])[:300]}"
        for given, now in [
            *zip(arguments, after, strict=False),
            *((named[key], after_named.get(key)) for key in named),
        ]:
            _change(given, now)
        return value

    def _shown(self, arguments: tuple[Any, ...], named: dict[str, Any]) -> str:
        given = [*map(repr, arguments), *(f"{key}={value!r}" for key, value in named.items())]
        return f"{self.__name__}({', '.join(given)})"[:300]

    def _ask(self, arguments: str) -> dict[str, Any]:
        while self._ready is None:
            if not self._waiting:
                raise _Stopped("failed", "it hung or crashed before, and is not called any more")
            servant = self._waiting.pop(0)
            defined = servant.ask({"code": self._code}, DEFINE_S)
            if defined is not None and defined.get("error") is None:
                self._ready = servant
        answer = self._ready.ask({"function": self.__name__, "arguments": arguments}, CALL_S)
        if answer is None:
            self._ready.end()
            self._ready = None
            raise _Stopped(
                "failed", f"{self.__name__}: no answer within {CALL_S:g} s, or a crash; arguments {arguments[:300]}"
            )
        return answer


def _exception(answer: dict[str, Any]) -> Exception:
    """The builtin that it is or derives from, with its words."""
    for name in answer["raised"]:
        known = getattr(builtins, str(name), None)
        if isinstance(known, type) and issubclass(known, Exception):
            try:
                return known(str(answer.get("message", "")))
            except TypeError:  # UnicodeDecodeError takes more than words
                continue
    return RuntimeError(str(answer.get("error", "")))


def _change(given: Any, now: Any) -> None:
    """Make what the test holds what the candidate has made of it."""
    if type(given) is not type(now) or given == now:
        return
    match given:
        case list() | bytearray():
            given[:] = now
        case dict() | set():
            given.clear()
            given.update(now)
        case deque():
            given.clear()
            given.extend(now)
