"""All hostile inputs: the families, and the single cases that were kept because they once found something."""

import json
from collections.abc import Iterator
from pathlib import Path

from proofs.hostile import code, constraints, documents, identity, transport
from proofs.hostile.inputs import JSON, Input, request

KEPT = Path(__file__).with_name("kept.json")
FAMILIES = (constraints, documents, transport, identity, code)


def corpus() -> list[Input]:
    """Every input once; names tell them apart."""
    found = [one for family in FAMILIES for one in family.inputs()]
    return [*found, *_kept()]


def _kept() -> Iterator[Input]:
    for case in json.loads(KEPT.read_text()):
        yield request(
            f"kept: {case['name']}",
            "kept",
            case["expected"],
            method=case.get("method", "POST"),
            path=case["path"],
            body=case.get("body"),
            headers=case.get("headers", JSON),
        )
