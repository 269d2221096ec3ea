"""What a text is worth, judged without the grammar. The expected values never enter the sandbox."""

import ast
from collections.abc import Sequence

from bench.quality.tasks import Task
from functions.sandbox import CallResult, Sandbox

_FENCE = "```"


def code_of(answer: str) -> str:
    """The first fenced block of a chat answer, else all of it."""
    if _FENCE not in answer:
        return answer.strip() + "\n"
    block = answer.split(_FENCE)[1]
    return block.partition("\n")[2] if block.startswith(("python", "py", "\n")) else block


def closed(answer: str) -> bool:
    """Whether a chat answer has a fenced block from its beginning to its end."""
    return answer.count(_FENCE) > 1


def parses(code: str) -> bool:
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def obeys(code: str, signature: str) -> bool:
    """Whether a function of the module has the head that was asked for: its name, parameters, and given types."""
    if not parses(code):
        return False
    (asked,) = ast.parse(signature + ":\n    pass").body
    return any(isinstance(node, ast.FunctionDef) and _fits(node, asked) for node in ast.parse(code).body)


async def passes(code: str, task: Task, sandbox: Sandbox) -> tuple[bool, str]:
    """Whether every hidden test holds, and what was seen of the first that does not."""
    calls, expected = zip(*map(_check, task.checks), strict=True)
    result = await sandbox.run(f"{task.preamble}{code}\n{task.harness}", calls)
    if result.ended != "finished" or not result.defined:
        return False, result.error or result.ended
    for call, wanted, seen in zip(calls, expected, result.calls, strict=False):
        if not _as_expected(wanted, seen):
            return False, f"{call}: {seen.value or seen.error or seen.raised}"
    return len(result.calls) == len(calls), "" if len(result.calls) == len(calls) else "calls are missing"


def _check(check: str) -> tuple[str, str]:
    """A call, and a literal or `raises Class`."""
    call, raises, name = check.rpartition(" raises ")
    if raises:
        return call, f"raises {name}"
    comparison = ast.parse(check, mode="eval").body
    assert isinstance(comparison, ast.Compare)
    return ast.unparse(comparison.left), ast.unparse(comparison.comparators[0])


def _as_expected(wanted: str, seen: CallResult) -> bool:
    if wanted.startswith("raises "):
        return wanted.removeprefix("raises ") in seen.raised
    if seen.value is None:
        return False
    try:
        value = ast.literal_eval(seen.value)
    except (SyntaxError, ValueError):
        return False
    target = ast.literal_eval(wanted)
    return type(value) is type(target) and bool(value == target)


def _fits(function: ast.FunctionDef, asked: ast.stmt) -> bool:
    assert isinstance(asked, ast.FunctionDef)
    wanted, seen = [*asked.args.args], [*function.args.args]
    types = [(w.annotation, s.annotation) for w, s in zip(wanted, seen, strict=False)]
    types.append((asked.returns, function.returns))
    return (
        function.name == asked.name
        and [w.arg for w in wanted] == [s.arg for s in seen]
        and all(w is None or (s is not None and ast.unparse(w) == ast.unparse(s)) for w, s in types)
    )


def wrong_solutions(task: Task) -> Sequence[str]:
    """Trivial ones that the hidden tests have to refuse: nothing at all, and the first test's own value, always."""
    value = _check(task.checks[0])[1]
    body = "None" if value.startswith("raises ") else value
    return [f"{task.signature}:\n    return {text}\n" for text in {"None", body}]
