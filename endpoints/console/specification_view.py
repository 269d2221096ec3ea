"""A specification as the console shows it: one that is stored, or one that a model is still writing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic_core import from_json

_VERDICTS_BY_EXAMPLE = "example "


@dataclass(frozen=True)
class Row:
    """One line of a specification: its text, what is said about it, and the JSON pointer that comments use.

    `verdict` is how its check came out, where there is one.
    """

    text: str
    outcome: str = ""
    note: str = ""
    pointer: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class SpecificationView:
    """What is known so far; `effects` is None while it is not."""

    summary: str = ""
    rationale: str = ""
    head: str = ""
    parameters: list[Row] = field(default_factory=list)
    raises: list[str] = field(default_factory=list)
    effects: list[str] | None = None
    assertions: list[Row] = field(default_factory=list)
    examples: list[Row] = field(default_factory=list)
    answered: list[Row] = field(default_factory=list)


def view_of(ir: Mapping[str, Any], evidence: Mapping[str, Any]) -> SpecificationView:
    """A stored specification, with the verdicts that the evidence has on its examples."""
    signature = ir["signature"]
    verdicts = {check["name"]: check["verdict"] for check in evidence.get("checks", [])}
    provenance = (ir.get("metadata") or {}).get("provenance") or {}
    return SpecificationView(
        summary=ir["intent"]["summary"],
        rationale=ir["intent"].get("rationale") or "",
        head=_head(signature),
        parameters=[
            Row(p["name"], p["type"], p.get("description") or "", f"/signature/parameters/{i}")
            for i, p in enumerate(signature.get("parameters") or [])
        ],
        raises=list(signature.get("raises") or []),
        effects=list(ir.get("effects") or []),
        assertions=[
            Row(a["expression"], "", a.get("rationale") or _source(provenance, f"/assertions/{i}"), f"/assertions/{i}")
            for i, a in enumerate(ir.get("assertions") or [])
        ],
        examples=[
            _example(signature["name"], example, i, verdicts) for i, example in enumerate(ir.get("examples") or [])
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


def _example(name: str, example: Mapping[str, Any], index: int, verdicts: Mapping[str, str]) -> Row:
    outcome = f"raises {example['raises']}" if example.get("raises") else example.get("result") or "None"
    return Row(
        f"{name}({', '.join(example.get('arguments') or [])})",
        outcome,
        pointer=f"/examples/{index}",
        verdict=verdicts.get(f"{_VERDICTS_BY_EXAMPLE}{index + 1}", ""),
    )


def _source(provenance: Mapping[str, Any], pointer: str) -> str:
    """Who said a clause, where that is not the reader."""
    known = provenance.get(pointer)
    return "" if known is None or known["source"] == "user" else f"by the {known['source']}"
