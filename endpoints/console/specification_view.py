"""A specification as the console shows it: one that is stored, or one that a model is still writing."""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from functions.failures import Refused
from functions.ir import IntermediateRepresentation
from functions.typescript_writing import typescript_head

_NUMBERED = {"example": "/examples", "assertion": "/assertions"}
_WHOLE = {"signature": "/signature", "constraints": "/constraints"}


@dataclass(frozen=True)
class Row:
    """One line of a specification: its text, what is said about it, and the JSON pointer that comments use.

    `verdict` is how its check came out, where there is one, and `check` that check's number in the evidence, from 1.
    """

    text: str
    outcome: str = ""
    note: str = ""
    pointer: str = ""
    verdict: str = ""
    check: int = 0


@dataclass(frozen=True)
class SpecificationView:
    """What is known so far; `effects` is None while it is not."""

    summary: str = ""
    rationale: str = ""
    head: str = ""
    returns: str = ""
    parameters: list[Row] = field(default_factory=list)
    raises: list[str] = field(default_factory=list)
    effects: list[str] | None = None
    assertions: list[Row] = field(default_factory=list)
    examples: list[Row] = field(default_factory=list)
    answered: list[Row] = field(default_factory=list)


def clause_of_check(name: str) -> str:
    """The JSON pointer of what a row of the evidence checks; "" for one that is about the code alone."""
    kind, _, number = name.partition(" ")
    return f"{_NUMBERED[kind]}/{int(number) - 1}" if kind in _NUMBERED and number.isdecimal() else _WHOLE.get(name, "")


def view_of(ir: Mapping[str, Any], evidence: Mapping[str, Any]) -> SpecificationView:
    """A stored specification, with the verdicts that the evidence has on its examples and assertions."""
    signature = ir["signature"]
    verdicts = {
        clause_of_check(check["name"]): (check["verdict"], number)
        for number, check in enumerate(evidence.get("checks", []), 1)
    }
    provenance = (ir.get("metadata") or {}).get("provenance") or {}
    return SpecificationView(
        summary=ir["intent"]["summary"],
        rationale=ir["intent"].get("rationale") or "",
        head=_head_of(ir),
        returns=signature.get("returns") or "None",
        parameters=[
            Row(p["name"], p["type"], p.get("description") or "", f"/signature/parameters/{i}")
            for i, p in enumerate(signature.get("parameters") or [])
        ],
        raises=list(signature.get("raises") or []),
        effects=list(ir.get("effects") or []),
        assertions=[
            _judged(Row(a["expression"], "", a.get("rationale") or _source(provenance, at), at), verdicts)
            for at, a in ((f"/assertions/{i}", a) for i, a in enumerate(ir.get("assertions") or []))
        ],
        examples=[
            _judged(_example(signature["name"], example, f"/examples/{i}"), verdicts)
            for i, example in enumerate(ir.get("examples") or [])
        ],
        answered=[
            Row(hole["question"], str(hole["answer"]), pointer=f"/holes/{i}")
            for i, hole in enumerate(ir.get("holes") or [])
            if hole.get("answer") is not None
        ],
    )


def view_of_unfinished(text: str) -> SpecificationView:
    """What a model has written of a specification so far, by `functions.ir.decoding_schema`; empty at its beginning."""
    try:
        written = from_json(text, allow_partial="trailing-strings")
    except ValueError:
        return SpecificationView()
    if not isinstance(written, dict):
        return SpecificationView()
    name = written.get("name", "")
    return SpecificationView(
        summary=written.get("summary", ""),
        head=_head({"parameters": [], **written}) if "returns" in written else _unfinished_head(written),
        raises=written.get("raises", []),
        effects=written.get("effects"),
        assertions=[Row(text) for text in written.get("assertions", [])],
        examples=[
            Row(f"{name}({', '.join(example.get('arguments', []))})", example.get("result", ""))
            for example in written.get("examples", [])
        ],
        answered=[],
    )


def _head_of(ir: Mapping[str, Any]) -> str:
    """In the language of the code; where that has no notation for a type, in the specification's own, Python's."""
    if (ir.get("metadata") or {}).get("language") == "typescript":
        with contextlib.suppress(Refused, ValidationError):
            return typescript_head(IntermediateRepresentation.model_validate(ir))
    return _head(ir["signature"])


def _head(signature: Mapping[str, Any]) -> str:
    parameters = [
        f"{p['name']}: {p.get('type', '')}" + (f" = {p['default']}" if p.get("default") is not None else "")
        for p in signature.get("parameters") or []
    ]
    return f"def {signature['name']}({', '.join(parameters)}) -> {signature.get('returns', 'None')}"


def _unfinished_head(written: Mapping[str, Any]) -> str:
    if "name" not in written:
        return ""
    parameters = [f"{p['name']}: {p.get('type', '')}" for p in written.get("parameters", []) if "name" in p]
    return f"def {written['name']}({', '.join(parameters)}"


def _example(name: str, example: Mapping[str, Any], pointer: str) -> Row:
    outcome = f"raises {example['raises']}" if example.get("raises") else example.get("result") or "None"
    return Row(f"{name}({', '.join(example.get('arguments') or [])})", outcome, pointer=pointer)


def _judged(row: Row, verdicts: Mapping[str, tuple[str, int]]) -> Row:
    verdict, check = verdicts.get(row.pointer, ("", 0))
    return replace(row, verdict=verdict, check=check)


def _source(provenance: Mapping[str, Any], pointer: str) -> str:
    """Who said a clause, where that is not the reader."""
    known = provenance.get(pointer)
    return "" if known is None or known["source"] == "user" else f"by the {known['source']}"
