"""Structured output: one call of one function, plain and constrained, by the cases of `bfcl_tasks`.

Both arms get the same messages (`functions.tool_calls`, as `/v1/chat/completions` has them for `tool_choice`
"required"), likeliest text first; the second is held to the call's schema by the decoder.
"""

import asyncio
import json
import time
import uuid
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

from jsonschema import Draft202012Validator

from bench.quality.bfcl_tasks import CallTask, Leaderboard
from bench.quality.statistics import wilson
from functions.engine import Engine
from functions.failures import ConstraintRefused, Failure, Unavailable
from functions.generation import Constraint, Delta, Finished, GenerationRequest, Message, Sampling
from functions.tool_calls import STOP, call_constraint, with_tools
from functions.validation import ConstraintValidator
from infra.settings import Settings

ARMS = {"a": "plain", "b": "constrained"}
_HEAD = (
    "| arm | cases | set | cut | refused | valid call | right function | right arguments (95 %) | tokens | seconds |"
)


async def run(arguments: Namespace, settings: Settings, target: Path, folder: Path) -> None:
    """Write what is missing of the chosen cases to `target`, one line each, with the model's own text."""
    leaderboard = Leaderboard(folder)
    known = {(row["arm"], row["task"]) for row in read_rows(target)}
    tasks = evenly(leaderboard.tasks(), arguments.limit)
    todo = [(arm, task) for task in tasks for arm in ARMS if arm in arguments.arms and (arm, task.name) not in known]
    if not todo:
        return
    engine = Engine(settings.engine, arguments.model)
    await engine.start()
    places = asyncio.Semaphore(arguments.streams)
    try:
        async with ConstraintValidator(settings.validation, arguments.model / "tokenizer.json") as validator:

            async def one(arm: str, task: CallTask) -> None:
                async with places:
                    row = await _row(arm, task, engine, validator, leaderboard, max_tokens=arguments.max_tokens)
                with target.open("a") as file:
                    file.write(json.dumps(row) + "\n")

            await asyncio.gather(*(one(arm, task) for arm, task in todo))
    finally:
        await engine.stop()


def read_rows(target: Path) -> list[dict[str, Any]]:
    """What was written before."""
    return [json.loads(line) for line in target.read_text().splitlines()] if target.exists() else []


def evenly(tasks: list[CallTask], limit: int | None) -> list[CallTask]:
    """At most `limit`, evenly over all of them."""
    if limit is None or limit >= len(tasks):
        return tasks
    return [tasks[place * len(tasks) // limit] for place in range(limit)]


async def _row(
    arm: str,
    task: CallTask,
    engine: Engine,
    validator: ConstraintValidator,
    leaderboard: Leaderboard,
    *,
    max_tokens: int,
) -> dict[str, Any]:
    began = time.perf_counter()
    row: dict[str, Any] = {"arm": arm, "task": task.name, "category": task.category, "max_tokens": max_tokens}
    nothing = {"raw": "", "completion_tokens": 0, "valid": False, "right_function": False, "right_arguments": False}
    try:
        constraint = call_constraint(task.tools, "must").constraint if arm == "b" else None
        if constraint is not None:
            await validator.check(constraint)
        text, end = await _generated(engine, task, constraint, max_tokens)
    except Unavailable:
        raise  # of the machine, not of the arm: nothing is kept, and the next run does it
    except (ConstraintRefused, Failure) as failure:
        return row | nothing | {"finish_reason": "error", "seen": str(failure)[:500], "seconds": 0.0}
    name, given = read_call(text)
    tool = next((tool for tool in task.tools if tool.name == name), None)
    right, seen = (
        (False, "no call of one of the functions") if tool is None else leaderboard.is_right(task, tool.name, given)
    )
    return row | {
        "raw": text,
        "finish_reason": end.finish_reason,
        "completion_tokens": end.usage.completion_tokens,
        "valid": tool is not None and is_valid(given, tool.parameters),
        "right_function": name in {name for answer in task.accepted for name in answer},
        "right_arguments": right,
        "seen": "" if right else seen,
        "seconds": time.perf_counter() - began,
    }


async def _generated(
    engine: Engine, task: CallTask, constraint: Constraint | None, max_tokens: int
) -> tuple[str, Finished]:
    request = GenerationRequest(
        id=f"quality-{uuid.uuid4().hex}",
        messages=with_tools([Message(role="user", content=task.question)], task.tools, "must"),
        sampling=Sampling(max_tokens=max_tokens, temperature=0.0, stop=(STOP,) if constraint is None else ()),
        constraint=constraint,
        timeout_s=3_600,
    )
    events = [event async for event in engine.generate(request)]
    (end,) = (event for event in events if isinstance(event, Finished))
    return "".join(event.text for event in events if isinstance(event, Delta)), end


def read_call(text: str) -> tuple[str | None, Any]:
    """The first JSON object of a text that names a function: its name and arguments. (None, None) where there is none.

    Of a plain answer more is taken than was asked for: in a fence or tags, with words around it, `parameters` for
    `arguments`.
    """
    decoder = json.JSONDecoder()
    at = text.find("{")
    while at >= 0:
        try:
            found, _ = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            found = None
        if isinstance(found, dict) and isinstance(found.get("name"), str):
            return found["name"], found.get("arguments", found.get("parameters"))
        at = text.find("{", at + 1)
    return None, None


def is_valid(arguments: Any, schema: dict[str, Any]) -> bool:
    """Whether the arguments are what the function's schema allows."""
    return Draft202012Validator(schema).is_valid(arguments)


def summary(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By arm and category, and all together; shares are of all cases, with 95 % intervals."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["arm"], row["category"]].append(row)
        groups[row["arm"], "all"].append(row)
    return [_line(arm, which, group) for (arm, which), group in sorted(groups.items())]


def table(lines: list[dict[str, Any]]) -> str:
    """The summary in Markdown."""
    out = [_HEAD, "|" + "---|" * 10]
    for line in lines:
        shares = [
            f"{line[name]}/{line['cases']} ({line[f'{name}_interval'][0]:.0%}-{line[f'{name}_interval'][1]:.0%})"
            for name in ("valid", "right_function", "right_arguments")
        ]
        out.append(
            f"| {line['arm']} {ARMS[line['arm']]} | {line['cases']} | {line['set']} | {line['cut']} "
            f"| {line['refused']} | {' | '.join(shares)} | {line['tokens']:.0f} | {line['seconds']:.1f} |"
        )
    return "\n".join(out)


def _line(arm: str, which: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "arm": arm,
        "set": which,
        "cases": len(rows),
        "cut": sum(row["finish_reason"] == "length" for row in rows),
        "refused": sum(row["finish_reason"] == "error" for row in rows),
        "tokens": mean(row["completion_tokens"] for row in rows),
        "seconds": mean(row["seconds"] for row in rows),
    }
    for name in ("valid", "right_function", "right_arguments"):
        line[name] = sum(row[name] for row in rows)
        line[f"{name}_interval"] = wilson(line[name], len(rows))
    return line
