"""Changes to a stored specification that leave all the rest of it as it is, to the byte.

They work on the JSON as it is stored: reading it and writing it again might add what a newer version knows.
"""

import copy
import re
from collections.abc import Collection, Mapping
from typing import Any

from functions.ir import Assertion, Effect, Example, Hole, Provenance, Signature
from functions.type_fitting import fits
from functions.verification import literal

Stored = Mapping[str, Any]
_EXAMPLE = re.compile(r"/examples/([0-9]+)")


def with_value(ir: Stored, pointer: str, value: Any, said_by: Provenance | None = None) -> dict[str, Any]:
    """Replace what is at a JSON pointer; the clause it is in was `said_by` somebody else then."""
    changed = copy.deepcopy(dict(ir))
    *way, last = pointer.strip("/").split("/")
    at: Any = changed
    for step in way:
        at = at[int(step) if isinstance(at, list) else step]
    at[int(last) if isinstance(at, list) else last] = value
    clause = "/".join(pointer.split("/")[: 2 if pointer.startswith(("/intent", "/signature")) else 3])
    return _said(changed, clause, said_by)


def with_added(
    ir: Stored, *, examples: Collection[Example] = (), assertions: Collection[Assertion] = (), said_by: Provenance
) -> dict[str, Any]:
    """Add clauses at the end of theirs."""
    changed = copy.deepcopy(dict(ir))
    for member, added in (("examples", examples), ("assertions", assertions)):
        for clause in added:
            changed.setdefault(member, []).append(clause.model_dump(mode="json"))
            changed = _said(changed, f"/{member}/{len(changed[member]) - 1}", said_by)
    return changed


def with_holes(ir: Stored, holes: Collection[Hole]) -> dict[str, Any]:
    """Add holes, each under an id that is free."""
    changed = copy.deepcopy(dict(ir))
    present = changed.setdefault("holes", [])
    for hole in holes:
        taken = {each["id"] for each in present}
        free = (f"{hole.id}-{i}" if i > 1 else hole.id for i in range(1, len(taken) + 2))
        identifier = next(each for each in free if each not in taken)
        present.append(hole.model_copy(update={"id": identifier}).model_dump(mode="json"))
    return changed


def without_examples(ir: Stored, numbers: Collection[int]) -> dict[str, Any]:
    """Leave examples out, by their places; what is known of the others moves with them."""
    changed = copy.deepcopy(dict(ir))
    changed["examples"] = [example for i, example in enumerate(changed["examples"]) if i not in numbers]
    metadata = changed.get("metadata", {})
    moved = {}
    for clause, said in metadata.get("provenance", {}).items():
        found = _EXAMPLE.fullmatch(clause)
        if found is None:
            moved[clause] = said
        elif (place := int(found[1])) not in numbers:
            moved[f"/examples/{place - sum(number < place for number in numbers)}"] = said
    if moved:
        metadata["provenance"] = moved
    else:
        metadata.pop("provenance", None)
    return changed


def with_effects(ir: Stored, effects: Collection[Effect]) -> dict[str, Any]:
    """Replace the effects, in the order in which effects are listed."""
    return with_value(ir, "/effects", [each for each in Effect.__args__ if each in effects])  # type: ignore[attr-defined] # of a Literal


def misfit(example: Example, signature: Signature) -> str | None:
    """Why an example is none of a function with this head; None when it is one, as far as can be told."""
    if len(example.arguments) != len(signature.parameters):
        return f"it has {len(example.arguments)} arguments, and {signature.name} takes {len(signature.parameters)}"
    values = [
        (argument, parameter.type) for argument, parameter in zip(example.arguments, signature.parameters, strict=True)
    ]
    if example.result is not None:
        values.append((example.result, signature.returns))
    for text, kind in values:
        try:
            value = literal(text)
        except ValueError:
            continue  # an expression, whose type nobody knows before it is run
        if not fits(value, kind):
            return f"{text} is not of type {kind}"
    return None


def call_of(signature: Signature, example: Example) -> str:
    """The call that an example is of: `f(1, 2)`."""
    return f"{signature.name}({', '.join(example.arguments)})"


def line_of(signature: Signature, example: Example) -> str:
    """An example in one line: `f(1) == 2`, `f(0) raises ValueError`."""
    outcome = f"raises {example.raises}" if example.raises else f"== {example.result or 'None'}"
    return f"{call_of(signature, example)} {outcome}"


def _said(ir: dict[str, Any], clause: str, said_by: Provenance | None) -> dict[str, Any]:
    if said_by is not None:
        metadata = ir.setdefault("metadata", {})
        metadata["provenance"] = {**metadata.get("provenance", {}), clause: said_by.model_dump(mode="json")}
    return ir
