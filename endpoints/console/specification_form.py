"""A specification as fields that people fill in, and what they filled in as a specification, or where it is wrong."""

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from functions.ir import IntermediateRepresentation

Fields = Mapping[str, Sequence[str]]
"""What a form holds: of each name the values, in their order."""

SINGLE = ("summary", "rationale", "name", "returns", "raises")
"""The fields that a form has once."""
PARAMETER = ("name", "type", "default", "description")
ASSERTION = ("expression", "rationale")
EXAMPLE = ("arguments", "result")
ROWS = {"parameters": PARAMETER, "assertions": ASSERTION, "examples": EXAMPLE}
"""The columns of what there are several of. A column's fields are called "parameters-name" and so on."""

_RAISES = "raises "


@dataclass(frozen=True)
class FieldFault:
    """What is wrong with a field; `field` is its id in the page, `label` says where that is."""

    field: str
    label: str
    message: str


class FaultyForm(Exception):  # noqa: N818 - the form is at fault, nothing has failed
    """What was filled in is no specification."""

    def __init__(self, faults: list[FieldFault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def fields_of(ir: Mapping[str, Any]) -> dict[str, list[str]]:
    """A stored specification as the form shows it."""
    signature = ir["signature"]
    fields = {
        "summary": [ir["intent"]["summary"]],
        "rationale": [ir["intent"].get("rationale") or ""],
        "name": [signature["name"]],
        "returns": [signature.get("returns") or "None"],
        "raises": [", ".join(signature.get("raises") or [])],
        "effects": list(ir.get("effects") or []),
    }
    rows = {
        "parameters": signature.get("parameters") or [],
        "assertions": ir.get("assertions") or [],
        "examples": [_shown(example) for example in ir.get("examples") or []],
    }
    for group, columns in ROWS.items():
        for column in columns:
            fields[f"{group}-{column}"] = [row.get(column) or "" for row in rows[group]]
    return fields


def rows_of(fields: Fields, group: str) -> list[dict[str, str]]:
    """The rows of a group, also those that are empty."""
    columns = [fields.get(f"{group}-{column}", ()) for column in ROWS[group]]
    return [dict(zip(ROWS[group], row, strict=True)) for row in zip(*columns, strict=False)]


def read_form(fields: Fields, before: Mapping[str, Any]) -> IntermediateRepresentation:
    """The specification `before` it with what the form holds in place. Empty rows are left out.

    Raises `FaultyForm` with every fault and its field.
    """
    kept, places = _filled(fields)
    faults: list[FieldFault] = []
    examples = []
    for row, place in zip(kept["examples"], places["examples"], strict=True):
        try:
            examples.append(_example(row))
        except ValueError as error:
            faults.append(_fault(("examples", place, "arguments"), str(error)))
            examples.append({})
    value = {
        **before,
        "intent": {"summary": _one(fields, "summary"), "rationale": _one(fields, "rationale")},
        "signature": {
            "name": _one(fields, "name"),
            "returns": _one(fields, "returns") or "None",
            "raises": [name.strip() for name in _one(fields, "raises").split(",") if name.strip()],
            "parameters": [{**row, "default": row["default"] or None} for row in kept["parameters"]],
        },
        "effects": list(fields.get("effects", ())),
        "assertions": kept["assertions"],
        "examples": examples,
    }
    try:
        ir = IntermediateRepresentation.model_validate(value)
    except ValidationError as error:
        faults += [_fault(_placed(fault["loc"], places), fault["msg"]) for fault in error.errors()]
    if faults:
        raise FaultyForm(faults)
    return ir


def _filled(fields: Fields) -> tuple[dict[str, list[dict[str, str]]], dict[str, list[int]]]:
    """Of each group the rows with something in them, and where in the form they stand."""
    kept: dict[str, list[dict[str, str]]] = {}
    places: dict[str, list[int]] = {}
    for group in ROWS:
        numbered = [
            (i, {name: text.strip() for name, text in row.items()}) for i, row in enumerate(rows_of(fields, group))
        ]
        numbered = [(i, row) for i, row in numbered if any(row.values())]
        kept[group], places[group] = [row for _, row in numbered], [i for i, _ in numbered]
    return kept, places


def _shown(example: Mapping[str, Any]) -> dict[str, str]:
    outcome = f"{_RAISES}{example['raises']}" if example.get("raises") else example.get("result") or "None"
    return {"arguments": ", ".join(example.get("arguments") or []), "result": outcome}


def _example(row: Mapping[str, str]) -> dict[str, Any]:
    """Raises `ValueError` for arguments that Python would not read."""
    outcome = row["result"]
    raised = outcome.removeprefix(_RAISES) if outcome.startswith(_RAISES) else None
    result = None if raised is not None else outcome or "None"
    return {"arguments": _arguments(row["arguments"]), "result": result, "raises": raised}


def _arguments(text: str) -> list[str]:
    call = f"f({text})"
    try:
        read = ast.parse(call, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError("these are no arguments as Python writes them: 1, [2, 3], 'text'") from None
    if not isinstance(read, ast.Call) or read.keywords or not isinstance(read.func, ast.Name):
        raise ValueError("arguments are given in the order of the parameters, without their names")
    return [ast.get_source_segment(call, argument) or "" for argument in read.args]


def _one(fields: Fields, name: str) -> str:
    return next(iter(fields.get(name, ())), "").strip()


def _placed(path: Sequence[str | int], places: Mapping[str, Sequence[int]]) -> tuple[str | int, ...]:
    """The path of a fault with the row's number as in the form instead of that in the specification."""
    steps = [step for step in path if step not in ("intent", "signature")] or ["summary"]
    if steps[0] in places and len(steps) > 1 and isinstance(steps[1], int):
        steps[1] = places[str(steps[0])][steps[1]]
    return tuple(steps)


def _fault(path: Sequence[str | int], message: str) -> FieldFault:
    match path:
        case ("examples", int(row), "raises", *_):
            field, label = f"examples-{row}-result", f"Example {row + 1}, result"
        case ("examples", int(row), *rest):
            column = rest[0] if rest else "arguments"
            field, label = f"examples-{row}-{column}", f"Example {row + 1}, {column}"
        case (group, int(row), *rest) if group in ROWS:
            column = rest[0] if rest else ROWS[str(group)][0]
            field, label = f"{group}-{row}-{column}", f"{str(group)[:-1].capitalize()} {row + 1}, {column}"
        case (name, *_):
            field, label = str(name), str(name).capitalize()
    return FieldFault(field, label, message.removeprefix("Value error, "))
