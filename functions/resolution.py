"""An answer to an open question, worked into the specification: only what the question is about is written again.

An answer that says it exactly - a type, a head, a call with its result, a predicate, an effect - is taken as it is. Of
other words the model makes the part that they touch, and no more.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from functions.asking import Asked, Asker
from functions.failures import NotFound, Refused
from functions.ir import (
    LEFT_TO_CODE,
    Assertion,
    Effect,
    Example,
    Hole,
    IntermediateRepresentation,
    Provenance,
    Signature,
)
from functions.ir_edits import (
    Stored,
    line_of,
    misfit,
    with_added,
    with_effects,
    with_holes,
    with_value,
    without_examples,
)
from functions.prompting import specification_text
from functions.specification_checks import assertion_fault
from functions.specification_text_reading import read_example, read_head, read_type

RESOLVE = "resolve.v1"
MODEL_CONFIDENCE = 0.5
_USER = Provenance(source="user")
_MODEL = Provenance(source="model", confidence=MODEL_CONFIDENCE)
_EFFECTS: tuple[Effect, ...] = Effect.__args__  # type: ignore[attr-defined] # of a Literal
_MEMBERS: Mapping[str, tuple[str, ...]] = {
    "intent": ("summary",),
    "signature": ("parameters", "returns", "raises"),
    "effect": ("effects",),
    "assertion": ("examples", "assertions"),
}
_TYPE_HOLE = re.compile(r"type-([0-9]+|returns)(-[0-9]+)?")
NOT_NEEDED = "not needed"
_NO_CLAUSE = frozenset({"no", "skip", "leave it out", NOT_NEEDED})
"""Answers to a question for an example or an assertion that want none. (None is a value; nothing may mean it.)"""


@dataclass(frozen=True)
class Settled:
    """The specification with an answer worked in. `rewritten` are the JSON pointers of what is new in it."""

    ir: dict[str, Any]
    rewritten: tuple[str, ...] = ()


@dataclass(frozen=True)
class Question:
    """What only the model can make of the answer: these members of the specification."""

    words: str
    members: tuple[str, ...]

    async def put(self, asker: Asker) -> Asked:
        """Raises as `Asker.ask`."""
        return await asker.ask(RESOLVE, self.words, self.members)


def open_hole(ir: Stored | None, hole_id: str) -> Hole:
    """Raises `NotFound` when there is none of that id that is still open."""
    for hole in (ir or {}).get("holes", []):
        if hole["id"] == hole_id and hole.get("answer") is None:
            return Hole.model_validate(hole)
    raise NotFound("open hole")


def suggested(hole: Hole, suggestion: int | str) -> str:
    """The suggestion of that number, from 0, or of that text. Raises `Refused`."""
    if isinstance(suggestion, str):
        if suggestion in hole.suggestions:
            return suggestion
    elif 0 <= suggestion < len(hole.suggestions):
        return hole.suggestions[suggestion]
    raise Refused("/suggestion", f"the hole has {len(hole.suggestions)} suggestions, and this is none of them")


def worked_in(stored: Stored, hole: Hole, answer: Any) -> Settled | Question:
    """What becomes of the specification by the answer, or what the model has to be asked for that.

    Of an answer that is no text, and about how it is implemented, nothing is to be written: the code is written by it.
    Nor of one that leaves it to the code. Raises `Refused` for an example that is none of this function.
    """
    if answer == LEFT_TO_CODE:
        return Settled(dict(stored))
    ir = IntermediateRepresentation.model_validate(stored)
    if not isinstance(answer, str) or hole.kind == "implementation":
        return Settled(dict(stored))
    exact = _exactly(stored, ir, hole, answer.strip().strip("`"))
    if exact is not None:
        return exact
    members = _MEMBERS[hole.kind]
    words = f"{specification_text(ir)}\nQuestion: {hole.question}\nAnswer: {answer}\nWrite: {', '.join(members)}"
    return Question(words, members)


def answered(stored: Stored, hole: Hole, written: Mapping[str, Any]) -> Settled:
    """What the model wrote, worked in where it holds; what does not is left out."""
    ir = IntermediateRepresentation.model_validate(stored)
    try:
        match hole.kind:
            case "intent":
                return Settled(with_value(stored, "/intent/summary", written["summary"], _MODEL), ("/intent/summary",))
            case "signature":
                return _with_signature(stored, ir, _signature(written, ir.signature), _MODEL)
            case "effect":
                return Settled(with_effects(stored, written["effects"]), ("/effects",))
            case _:
                return _with_clauses(stored, ir, written)
    except ValidationError:  # a keyword for a name, two parameters of one name
        return Settled(dict(stored))


def _exactly(stored: Stored, ir: IntermediateRepresentation, hole: Hole, answer: str) -> Settled | None:
    match hole.kind:
        case "signature":
            return _exact_signature(stored, ir, hole, answer)
        case "effect":
            return _exact_effects(stored, ir, hole, answer)
        case "assertion":
            if answer.lower().rstrip(".") in _NO_CLAUSE:
                return Settled(dict(stored))
            example = read_example(answer, ir.signature)
            if example is not None:
                if fault := misfit(example, ir.signature):
                    raise Refused("/answer", f"{line_of(ir.signature, example)} does not fit the signature: {fault}")
                if _contradicts(example, ir.examples):
                    raise Refused("/answer", "another example says otherwise of the same arguments")
                changed = stored if example in ir.examples else with_added(stored, examples=[example], said_by=_USER)
                return Settled(dict(changed), () if changed is stored else (f"/examples/{len(ir.examples)}",))
            if assertion_fault(answer, ir.signature) is None:
                added = with_added(stored, assertions=[Assertion(expression=answer)], said_by=_USER)
                return Settled(added, (f"/assertions/{len(ir.assertions)}",))
    return None


def _exact_signature(stored: Stored, ir: IntermediateRepresentation, hole: Hole, answer: str) -> Settled | None:
    named = _TYPE_HOLE.fullmatch(hole.id) if hole.expected_type == "type" else None
    kind = read_type(answer) if named else None
    if named and kind:
        signature = ir.signature.model_copy(deep=True)
        if named[1] == "returns":
            signature.returns = kind
            return _with_signature(stored, ir, signature, _USER)
        if int(named[1]) < len(signature.parameters):
            signature.parameters[int(named[1])].type = kind
            return _with_signature(stored, ir, signature, _USER)
    head = read_head(answer, ir.signature)
    return None if head is None else _with_signature(stored, ir, head, _USER)


def _exact_effects(stored: Stored, ir: IntermediateRepresentation, hole: Hole, answer: str) -> Settled | None:
    about = [effect for effect in _EFFECTS if hole.id.startswith(f"effect-{effect}")]
    if about and answer.lower() == NOT_NEEDED:
        return Settled(with_effects(stored, [each for each in ir.effects if each not in about]), ("/effects",))
    if answer.lower() in ("pure", "none"):
        return Settled(with_effects(stored, []), ("/effects",))
    words = [word.strip() for word in answer.split(",")]
    named = [effect for effect in _EFFECTS if effect in words]
    if len(named) != len(words):
        return None
    return Settled(with_effects(stored, [*ir.effects, *named]), ("/effects",))


def _with_signature(
    stored: Stored, ir: IntermediateRepresentation, signature: Signature, said_by: Provenance
) -> Settled:
    """With a new head. Examples that are none of it become questions: they were of the old one."""
    Signature.model_validate(signature.model_dump())
    if signature == ir.signature:
        return Settled(dict(stored))
    changed = with_value(stored, "/signature", signature.model_dump(mode="json"), said_by)
    rewritten = ["/signature"]
    faults = {i: misfit(example, signature) for i, example in enumerate(ir.examples)}
    unfit = {i: fault for i, fault in faults.items() if fault and misfit(ir.examples[i], ir.signature) is None}
    holes = [
        Hole(
            id="example",
            kind="assertion",
            question=f"{line_of(ir.signature, ir.examples[i])} was an example before the head changed: {fault}. "
            f"What is meant now?"[:4_000],
            expected_type="example",
        )
        for i, fault in unfit.items()
    ]
    if unfit:
        changed = with_holes(without_examples(changed, unfit), holes)
        rewritten += [f"/examples/{i}" for i in unfit]
    return Settled(changed, tuple(rewritten))


def _signature(written: Mapping[str, Any], old: Signature) -> Signature:
    """The head as the model wrote it. Parameters that were there keep what it does not write of them."""
    known = {parameter.name: parameter for parameter in old.parameters}
    parameters = []
    for each in written["parameters"]:
        before = known.get(each["name"])
        fields = before.model_dump() if before is not None else {}
        parameters.append({**fields, "name": each["name"], "type": each["type"]})
    if len({each["name"] for each in parameters}) != len(parameters):
        return old
    head = {"name": old.name, "parameters": parameters, "returns": written["returns"]}
    signature = Signature.model_validate({**head, "raises": list(dict.fromkeys(written["raises"]))})
    try:
        ast.parse(f"{signature.to_source()}: ...")
    except SyntaxError:  # what must be given after what has a default
        return old
    return signature


def _with_clauses(stored: Stored, ir: IntermediateRepresentation, written: Mapping[str, Any]) -> Settled:
    examples: list[Example] = []
    for raw in written["examples"]:
        outcome = raw["result"]
        raises = outcome.removeprefix("raises ") if outcome.startswith("raises ") else None
        example = Example(arguments=raw["arguments"], result=None if raises else outcome, raises=raises)
        known = [*ir.examples, *examples]
        if misfit(example, ir.signature) is None and example not in known and not _contradicts(example, known):
            examples.append(example)
    present = {assertion.expression for assertion in ir.assertions}
    texts = [text for text in dict.fromkeys(written["assertions"]) if assertion_fault(text, ir.signature) is None]
    assertions = [Assertion(expression=text) for text in texts if text not in present]
    rewritten = [f"/examples/{len(ir.examples) + i}" for i in range(len(examples))]
    rewritten += [f"/assertions/{len(ir.assertions) + i}" for i in range(len(assertions))]
    return Settled(with_added(stored, examples=examples, assertions=assertions, said_by=_MODEL), tuple(rewritten))


def _contradicts(example: Example, others: list[Example]) -> bool:
    return any(other.arguments == example.arguments and other != example for other in others)
