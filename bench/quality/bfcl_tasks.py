"""The Berkeley Function Calling Leaderboard's simple (Python) and multiple cases, and its own judge of the answers.

Both are read out of the wheel of `bfcl-eval` (Apache 2.0), which is fetched and never installed: the judge is the
package's `ast_checker`, run as it is. What it knows of models by name (whether a dot in a function's name becomes an
underscore) is answered here for all of them: names stay as they are.
"""

import importlib
import json
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from bench.schemas.corpus import fetched
from functions.tool_calls import Tool

PACKAGE = "bfcl-eval==2026.3.23"
CATEGORIES = ("simple_python", "multiple")
MODEL = "as-is"


@dataclass(frozen=True)
class CallTask:
    """One question with the functions on offer, one of which has to be called."""

    name: str
    category: str
    question: str
    described: list[dict[str, Any]]
    """The functions in the package's own words, for its judge."""
    accepted: list[dict[str, Any]]
    tools: tuple[Tool, ...]


class Leaderboard:
    """The package's cases and its judge."""

    def __init__(self, folder: Path) -> None:
        """`folder` keeps what is fetched."""
        self._wheel = fetched(folder, PACKAGE, npm=False)
        sys.path.append(str(self._wheel))
        # In its place: the package's own imports the clients of all providers, of which nothing is needed here.
        models = ModuleType("bfcl_eval.constants.model_config")
        vars(models)["MODEL_CONFIG_MAPPING"] = {MODEL: SimpleNamespace(underscore_to_dot=False)}
        sys.modules[models.__name__] = models
        self._judge = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker")
        self._types: dict[str, str] = importlib.import_module("bfcl_eval.constants.type_mappings").GORILLA_TO_OPENAPI
        self._language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON

    def tasks(self) -> list[CallTask]:
        """All of them, in their order."""
        return [task for category in CATEGORIES for task in self._of(category)]

    def is_right(self, task: CallTask, name: str, arguments: Any) -> tuple[bool, str]:
        """By the package's judge; and what it has against the call."""
        if not isinstance(arguments, dict):
            return False, "the arguments are no object"
        call = [{name: arguments}]
        try:
            found = self._judge.ast_checker(task.described, call, task.accepted, self._language, task.category, MODEL)
        except Exception as error:  # noqa: BLE001 - it is not made for every value: such a call is not right
            return False, f"{type(error).__name__}: {error}"
        return bool(found["valid"]), "; ".join(map(str, found.get("error", [])))

    def _of(self, category: str) -> list[CallTask]:
        with zipfile.ZipFile(self._wheel) as wheel:
            cases = _lines(wheel, f"bfcl_eval/data/BFCL_v4_{category}.json")
            answers = _lines(wheel, f"bfcl_eval/data/possible_answer/BFCL_v4_{category}.json")
        accepted = {answer["id"]: answer["ground_truth"] for answer in answers}
        return [
            CallTask(
                name=case["id"],
                category=category,
                question=case["question"][0][0]["content"],
                described=case["function"],
                accepted=accepted[case["id"]],
                tools=tuple(
                    Tool(each["name"], each["description"], self._in_json_types(each["parameters"]))
                    for each in case["function"]
                ),
            )
            for case in cases
        ]

    def _in_json_types(self, value: Any) -> Any:
        """The parameters as a JSON Schema that closes what is not named; a member called `type` stays."""
        if isinstance(value, list):
            return [self._in_json_types(item) for item in value]
        if not isinstance(value, dict):
            return value
        kept = {key: self._in_json_types(item) for key, item in value.items() if key != "optional" or item is not True}
        if isinstance(kind := kept.get("type"), str):
            kept["type"] = self._types.get(kind, kind)
            if kept["type"] == "object" and isinstance(kept.get("properties"), dict):
                kept.setdefault("additionalProperties", False)
        return kept


def _lines(wheel: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in wheel.read(name).decode().splitlines() if line.strip()]
