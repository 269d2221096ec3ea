"""Runs inside the sandbox: looks for inputs on which a candidate breaks what its specification says of every call.

The candidate lives in `functions.sandbox_servants`, in processes of its own. This one makes inputs, has the candidate
called with them, and judges the values that come back by their `repr`.
"""

import ast
import builtins
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from functions.sandbox_servants import Servant
from functions.type_fitting import fits

SERVANTS = 3
"""A candidate may hang or crash so often; after that it is not called any more."""
CALL_S = 1.0
DEFINE_S = 3.0
BUDGET_S = 3.0
"""Wall time of the whole search: what has been found by then is the answer."""
INPUTS = 100
OUTCOME = -1
"""The fault of a call that raises what it may not, or gives what its type does not allow, whatever is asserted."""

Arguments = tuple[Any, ...]
Call = Callable[[str], dict[str, Any] | None]


class _Broken(Exception):  # noqa: N818 - for Hypothesis, which shrinks what raises
    """The input breaks something that was not known to be broken."""


def judge(properties: dict[str, Any], code: str, servants: Sequence[Servant]) -> dict[str, Any]:
    """The smallest input that was found for each fault, and what could not be tried."""
    waiting = list(servants)
    lost: list[str] = []
    ready: list[Servant] = []

    def call(expression: str) -> dict[str, Any] | None:
        while waiting and not ready:
            servant = waiting.pop(0)
            answer = servant.ask({"code": code}, DEFINE_S)
            if answer is not None and answer.get("error") is None:
                ready.append(servant)
            else:
                lost.append("its definition")
        answer = ready[0].ask({"call": expression}, CALL_S) if ready else None
        if answer is None and ready:
            ready.pop().end()
            lost.append(expression)
        return answer

    found = _Search(properties, call, has_candidate=lambda: bool(waiting or ready))
    found.run()
    return {
        "tried": found.tried,
        "faults": [{"about": about, **fault} for about, (_, fault) in sorted(found.smallest.items())],
        "unheld": [{"about": about, "why": why} for about, why in sorted(found.unheld.items())],
        "lost": [expression[:200] for expression in lost],
    }


def load() -> None:
    """Import Hypothesis and the strategies, without plugins."""
    os.environ["HYPOTHESIS_NO_PLUGINS"] = "1"
    import_module("functions.property_strategies")


def warm_up() -> None:
    """Judge once: what Hypothesis imports and keeps with its first inputs, processes that are forked then have."""
    same: dict[str, Any] = {"name": "same", "parameters": ["x"], "annotations": ["list[int]"], "returns": "list[int]"}
    servant = Servant()
    same |= {"raises": [], "assertions": ["result == x"], "examples": []}
    judge(same, "def same(x):\n    return x\n", [servant])
    servant.end()
    os.waitpid(servant.process, 0)


class _Search:
    def __init__(self, properties: dict[str, Any], call: Call, *, has_candidate: Callable[[], bool]) -> None:
        self._name = properties["name"]
        self._parameters: list[str] = properties["parameters"]
        self._annotations: list[str] = properties["annotations"]
        self._returns: str = properties["returns"]
        self._allowed = frozenset(properties["raises"])
        self._examples = [(_values(arguments), result) for arguments, result in properties["examples"]]
        self._assertions = [compile(text, "<assertion>", "eval") for text in properties["assertions"]]
        self._call = call
        self._has_candidate = has_candidate
        self._until = time.monotonic() + BUDGET_S
        self._outcomes: dict[str, dict[str, Any] | None] = {}
        self.smallest: dict[int, tuple[tuple[int, str], dict[str, str]]] = {}
        self._contradicted: dict[int, str] = {}
        self._unclear: dict[int, str] = {}
        self._held: set[int] = set()
        self.tried = 0

    @property
    def unheld(self) -> dict[int, str]:
        """Why an assertion says nothing of the candidate: it contradicts an example, or no call could be put in it."""
        unclear = {about: why for about, why in self._unclear.items() if about not in self._held}
        return {**unclear, **self._contradicted}

    def run(self) -> None:
        """Try inputs until nothing new breaks, or the time is up."""
        import hypothesis  # noqa: PLC0415 - `load` has done so, told to load no plugins
        from hypothesis.errors import Flaky  # noqa: PLC0415 - as above

        from functions.property_strategies import inputs  # noqa: PLC0415 - as above

        self._doubt_by_examples()
        strategy = inputs(self._annotations, [arguments for arguments, _ in self._examples])
        if strategy is None:
            return
        settings = hypothesis.settings(
            max_examples=INPUTS,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(hypothesis.Phase.generate, hypothesis.Phase.shrink),
            suppress_health_check=list(hypothesis.HealthCheck),
            verbosity=hypothesis.Verbosity.quiet,
            report_multiple_bugs=False,
        )
        for _ in range(1 + len(self._assertions)):
            known = frozenset(self.smallest)
            # What it raises repeats what was noted, or says that time was up meanwhile.
            with contextlib.suppress(_Broken, Flaky):
                settings(hypothesis.given(strategy)(self._attempt(known)))()
            if known == frozenset(self.smallest) or self._is_over():
                return

    def _attempt(self, known: frozenset[int]) -> Callable[[Arguments], None]:
        def attempt(arguments: Arguments) -> None:
            if not self._is_over() and self._broken_by(arguments) - known:
                raise _Broken

        return attempt

    def _is_over(self) -> bool:
        return time.monotonic() > self._until or not self._has_candidate()

    def _doubt_by_examples(self) -> None:
        """An assertion that an example contradicts says nothing of a candidate that obeys the example."""
        for number, (arguments, result) in enumerate(self._examples, 1):
            if result is None:
                continue
            value = _value(result)
            for about in range(len(self._assertions)):
                if self._says(about, arguments, value) is False:
                    self._contradicted.setdefault(about, f"example {number} contradicts it")

    def _broken_by(self, arguments: Arguments) -> set[int]:
        """What the candidate breaks with this input, noted with the smallest so far."""
        expression = f"{self._name}({', '.join(map(repr, arguments))})"
        if expression not in self._outcomes:
            self._outcomes[expression] = self._call(expression)
        outcome = self._outcomes[expression]
        if outcome is None:  # it hung or crashed: how far a function must reach, nobody said
            return set()
        raised = outcome.get("raised")
        if raised is not None:
            if self._allowed.intersection(raised) or "MemoryError" in raised:
                return set()
            self.tried += 1
            return {self._note(OUTCOME, expression, arguments, f"raised {outcome.get('error')}")}
        self.tried += 1
        shown = str(outcome.get("value"))
        try:
            value = _value(shown)
        except ValueError:  # of a class that has no literals: nothing can be said of it here
            return set()
        seen = f"gave {shown[:200]}"
        if not fits(value, self._returns):
            return {self._note(OUTCOME, expression, arguments, f"{seen}, which is no {self._returns}")}
        broken = set()
        for about in range(len(self._assertions)):
            if about not in self._contradicted and self._says(about, arguments, value) is False:
                broken.add(self._note(about, expression, arguments, seen))
        return broken

    def _says(self, about: int, arguments: Arguments, result: Any) -> bool | None:
        """Whether the assertion holds; None where it cannot be evaluated."""
        copies = [_value(repr(argument)) for argument in arguments]
        names = {"__builtins__": builtins, **dict(zip(self._parameters, copies, strict=True)), "result": result}
        try:
            holds = bool(eval(self._assertions[about], names))  # noqa: S307 - the user's own, in the user's own sandbox
        except Exception as error:  # noqa: BLE001 - whatever it raises, it says nothing of this input
            self._unclear.setdefault(about, f"it cannot be evaluated: {type(error).__name__}: {str(error)[:200]}")
            return None
        self._held.add(about)
        return holds

    def _note(self, about: int, expression: str, arguments: Arguments, seen: str) -> int:
        size = (sum(len(repr(argument)) for argument in arguments), expression)
        if about not in self.smallest or size < self.smallest[about][0]:
            self.smallest[about] = (size, {"call": expression[:500], "seen": seen[:700]})
        return about


def _values(texts: Sequence[str]) -> Arguments:
    return tuple(_value(text) for text in texts)


def _value(text: str) -> Any:
    """Of a `repr`: literals, and the floats that have none. Raises `ValueError`."""
    try:
        tree = ast.parse(text, mode="eval")
        return ast.literal_eval(_Special().visit(tree))
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(text[:80]) from error


class _Special(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(float(node.id)) if node.id in {"inf", "nan"} else node
