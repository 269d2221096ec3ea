"""What a model wrote down as a specification, checked before it is shown: what does not hold becomes a hole."""

import ast
import builtins
import keyword
import re
from collections.abc import Sequence
from typing import Any

from functions.ir import (
    LONGEST_SENTENCE,
    MOST_EXAMPLES,
    Assertion,
    Example,
    Hole,
    IntermediateRepresentation,
    Metadata,
    Parameter,
    Provenance,
    Signature,
    clauses,
    decoding_schema,
)
from functions.ir_edits import line_of
from functions.stated import Stated, StatedHead
from functions.type_fitting import fits
from functions.verification import literal

_BUILTINS = frozenset(dir(builtins))
# A sampled specification is a guess; one that is checked is still the model's.
MODEL_CONFIDENCE = 0.5
NOTHING_STATED = Stated()
_RAISES = re.compile(r"raises ([A-Za-z]+)")


def schema_for(said: Stated) -> dict[str, Any]:
    """What a model is asked for beside what was said; where examples enough were given, none of its own."""
    examples = 0 if len(said.examples) >= MOST_EXAMPLES else MOST_EXAMPLES
    if said.head is None:
        return decoding_schema(examples=examples)
    return decoding_schema(said.head.signature, said.head.open_types, examples=examples)


def checked_ir(
    written: dict[str, Any], metadata: Metadata, said: Stated = NOTHING_STATED, *, words: str = ""
) -> IntermediateRepresentation:
    """An IR of what the model wrote by `schema_for(said)`; what was said stands, in the user's own `words` too.

    Names that are keywords get the trailing underscore of PEP 8, repeated ones a number. An example that does not fit
    the signature, or an assertion that does not parse or names what is not there, becomes a hole with the reason. Of
    examples that were said of one call, and clash, it is asked which is meant.
    """
    signature = _signature(written) if said.head is None else _completed(said.head, written)
    holes = [
        Hole(
            id=f"question-{i}",
            kind=question["about"],
            question=question["question"],
            suggestions=list(dict.fromkeys(question["suggestions"])),
        )
        for i, question in enumerate(written["questions"], 1)
    ]
    for number, clash in enumerate(said.clashing, 1):
        lines = [line_of(signature, example) for example in clash]
        holes.append(_hole(f"clash-{number}", f"Which is meant: {' or '.join(lines)}?", lines))
    unclear = [example.arguments for clash in said.clashing for example in clash]
    examples = list(said.examples)
    for number, raw in enumerate(written.get("examples", []), 1):
        example = _example(raw)
        if example.arguments in unclear:
            continue
        fault = _example_fault(example, signature, examples)
        if fault is None:
            examples.append(example)
        elif fault and not any(example.arguments == given.arguments for given in said.examples):
            question = f"What is meant by the example {_shown(signature, example)}? {fault}"
            hole = _hole(f"example-{number}", question, _likely(example, signature, examples))
            if all(hole.question != other.question for other in holes):
                holes.append(hole)
    assertions: list[Assertion] = []
    for number, text in enumerate(dict.fromkeys(written["assertions"]), 1):
        fault = assertion_fault(text, signature)
        if fault is None:
            assertions.append(Assertion(expression=text))
        else:
            holes.append(_hole(f"assertion-{number}", f"What should hold? '{text}' cannot be checked: {fault}"))
    ir = IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": written["summary"], "rationale": words[:LONGEST_SENTENCE]},
            "signature": signature.model_dump(),
            "effects": list(dict.fromkeys(written["effects"])),
            "assertions": [a.model_dump() for a in assertions],
            "examples": [e.model_dump() for e in examples],
            "holes": [h.model_dump() for h in holes],
            "metadata": metadata.model_dump(),
        }
    )
    provenance = dict.fromkeys(clauses(ir), Provenance(source="model", confidence=MODEL_CONFIDENCE))
    given = [f"/examples/{i}" for i in range(len(said.examples))]
    given += ["/signature"] if said.head is not None and not said.head.open_types else []
    provenance |= dict.fromkeys(given, Provenance(source="user"))
    return ir.model_copy(update={"metadata": ir.metadata.model_copy(update={"provenance": provenance})})


def assertion_fault(text: str, signature: Signature) -> str | None:
    """Why `text` is no predicate over the parameters and `result`; None when it is one."""
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "it is not a Python expression"
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - bound
    known = {parameter.name for parameter in signature.parameters} | {"result"}
    if unknown := sorted(used - known - _BUILTINS):
        return f"it names {', '.join(unknown)}, which is neither a parameter nor result"
    return None if used & known else "it says nothing of the parameters or the result"


def _signature(written: dict[str, Any]) -> Signature:
    taken: set[str] = set()
    parameters = []
    for raw in written["parameters"]:
        parameters.append(Parameter(name=_name(raw["name"], taken), type=raw["type"]))
        taken.add(parameters[-1].name)
    raises = list(dict.fromkeys(written["raises"]))
    return Signature(
        name=_name(written["name"], set()), parameters=parameters, returns=written["returns"], raises=raises
    )


def _completed(head: StatedHead, written: dict[str, Any]) -> Signature:
    """The head as it was given, with the types that the model has written for what had none."""
    types = {parameter["name"]: parameter["type"] for parameter in written.get("parameters", [])}
    parameters = [
        parameter.model_copy(update={"type": types.get(parameter.name, parameter.type)})
        for parameter in head.signature.parameters
    ]
    returns = written.get("returns", head.signature.returns)
    update = {"parameters": parameters, "returns": returns, "raises": list(dict.fromkeys(written["raises"]))}
    return head.signature.model_copy(update=update)


def _name(name: str, taken: set[str]) -> str:
    name = f"{name}_" if keyword.iskeyword(name) or keyword.issoftkeyword(name) else name
    return name if name not in taken else next(f"{name}{i}" for i in range(2, 100) if f"{name}{i}" not in taken)


def _example(raw: dict[str, Any]) -> Example:
    raises = _RAISES.fullmatch(raw["result"])
    if raises:
        return Example(arguments=raw["arguments"], raises=raises[1])
    return Example(arguments=raw["arguments"], result=raw["result"])


def _example_fault(example: Example, signature: Signature, before: list[Example]) -> str | None:
    """Why the example does not stand; None when it does; "" when it only repeats another."""
    if len(example.arguments) != len(signature.parameters):
        return f"It has {len(example.arguments)} arguments, and {signature.name} takes {len(signature.parameters)}."
    for argument, parameter in zip(example.arguments, signature.parameters, strict=True):
        if not fits(literal(argument), parameter.type):
            return f"{argument} is not of type {parameter.type}."
    if example.result is not None and not fits(literal(example.result), signature.returns):
        return f"{example.result} is not of type {signature.returns}."
    for other in before:
        if other.arguments == example.arguments:
            same = (other.result, other.raises) == (example.result, example.raises)
            return "" if same else "Another example says otherwise of the same arguments."
    return None


def _likely(example: Example, signature: Signature, before: list[Example]) -> list[str]:
    """What was probably meant: one list, where its items were written as arguments of their own."""
    if len(signature.parameters) != 1 or len(example.arguments) < 2:  # noqa: PLR2004 - more than there may be
        return []
    together = example.model_copy(update={"arguments": [f"[{', '.join(example.arguments)}]"]})
    return [] if _example_fault(together, signature, before) is not None else [line_of(signature, together)]


def _hole(identifier: str, question: str, suggestions: Sequence[str] = ()) -> Hole:
    return Hole(
        id=identifier,
        kind="assertion",
        question=question,
        expected_type="expression",
        suggestions=list(suggestions),
    )


def _shown(signature: Signature, example: Example) -> str:
    outcome = f"-> {example.result}" if example.raises is None else f"raises {example.raises}"
    return f"{signature.name}({', '.join(example.arguments)}) {outcome}"
