"""A specification as text that people edit: JSON without what a program knows better, and where its faults are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from endpoints.console.json_text import NotJson, read_json
from functions.ir import IntermediateRepresentation, Metadata, Provenance, clauses

_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Fault:
    """Something that does not hold, at a line and column from 1; `pointer` is a JSON pointer, "" for the whole."""

    line: int
    column: int
    pointer: str
    message: str


class FaultyText(Exception):  # noqa: N818 - the text is at fault, nothing has failed
    """The text is no specification."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


def editable(ir: Mapping[str, Any]) -> dict[str, Any]:
    """What people edit of a stored specification, in the order in which it is read, with all that it leaves out."""
    return IntermediateRepresentation.model_validate(ir).model_dump(mode="json", exclude={"metadata"})


def text_of(value: Any) -> str:
    """As JSON, indented, without what is null: that means the same as nothing."""
    return json.dumps(_without_nulls(value), indent=2, ensure_ascii=False)


def read(text: str) -> IntermediateRepresentation:
    """The specification that the text is. Raises `FaultyText` with every fault and its place."""
    try:
        value = read_json(text)
    except NotJson as error:
        raise FaultyText([Fault(error.line, error.column, "", error.reason)]) from None
    try:
        return IntermediateRepresentation.model_validate(value)
    except ValidationError as error:
        raise FaultyText([_fault(text, fault["loc"], fault["msg"]) for fault in error.errors()]) from None


def owned(ir: IntermediateRepresentation, before: Mapping[str, Any]) -> IntermediateRepresentation:
    """`ir` with the metadata of the specification `before` it: clauses that are new or changed are the user's."""
    metadata = Metadata.model_validate(before.get("metadata") or {})
    values = ir.model_dump(mode="json")
    known = {
        pointer: provenance
        for pointer, provenance in metadata.provenance.items()
        if _at(values, pointer) is not None and _at(values, pointer) == _at(before, pointer)
    }
    provenance = {clause: known.get(clause, Provenance(source="user")) for clause in clauses(ir)}
    return ir.model_copy(update={"metadata": metadata.model_copy(update={"provenance": provenance})})


def place_of(text: str, path: Sequence[str | int]) -> int:
    """The index where the value at `path` begins in JSON text; of the last one on the way that is there."""
    index = _space(text, 0)
    for step in path:
        inner = _member(text, index, step)
        if inner is None:
            return index
        index = inner
    return index


def _fault(text: str, path: Sequence[str | int], message: str) -> Fault:
    index = place_of(text, path)
    line = text.count("\n", 0, index) + 1
    pointer = "".join(f"/{step}" for step in path)
    return Fault(line, index - text.rfind("\n", 0, index), pointer, message.removeprefix("Value error, "))


def _member(text: str, index: int, step: str | int) -> int | None:
    """Where the member or item `step` of the value at `index` begins."""
    is_object = text[index] == "{"
    if not is_object and text[index] != "[":
        return None
    index, number = _space(text, index + 1), 0
    while text[index] not in "}]":
        key: str | int = number
        if is_object:
            key, index = _DECODER.raw_decode(text, index)
            index = _space(text, _space(text, index) + 1)
        if key == step:
            return index
        index = _space(text, _DECODER.raw_decode(text, index)[1])
        if text[index] == ",":
            index = _space(text, index + 1)
        number += 1
    return None


def _space(text: str, index: int) -> int:
    while index < len(text) and text[index] in " \t\r\n":
        index += 1
    return index


def _without_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_nulls(member) for name, member in value.items() if member is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _at(value: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, TypeError, ValueError):
            return None
    return value
