"""What a model wrote down as a specification, checked before it is shown: what does not hold becomes a hole."""

import ast
import builtins
import keyword
import re
from typing import Any

from functions.ir import Assertion, Example, Hole, IntermediateRepresentation, Metadata, Parameter, Signature
from functions.type_fitting import fits
from functions.verification import literal

_BUILTINS = frozenset(dir(builtins))
_RAISES = re.compile(r"raises ([A-Za-z]+)")


def checked_ir(written: dict[str, Any], metadata: Metadata) -> IntermediateRepresentation:
    """An IR of what `functions.ir.decoding_schema` made the model write.

    Names that are keywords get the trailing underscore of PEP 8, repeated ones a number. An example that does not fit
    the signature, or an assertion that does not parse or names what is not there, becomes a hole with the reason.
    """
    signature = _signature(written)
    holes = [
        Hole(
            id=f"question-{i}",
            kind=question["about"],
            question=question["question"],
            suggestions=list(dict.fromkeys(question["suggestions"])),
        )
        for i, question in enumerate(written["questions"], 1)
    ]
    examples: list[Example] = []
    for number, raw in enumerate(written["examples"], 1):
        example = _example(raw)
        fault = _example_fault(example, signature, examples)
        if fault is None:
            examples.append(example)
        elif fault:
            hole = _hole(f"example-{number}", f"Is {_shown(signature, example)} meant? {fault}")
            if all(hole.question != other.question for other in holes):
                holes.append(hole)
    assertions: list[Assertion] = []
    for number, text in enumerate(dict.fromkeys(written["assertions"]), 1):
        fault = assertion_fault(text, signature)
        if fault is None:
            assertions.append(Assertion(expression=text))
        else:
            holes.append(_hole(f"assertion-{number}", f"What should hold? '{text}' cannot be checked: {fault}"))
    return IntermediateRepresentation.model_validate(
        {
            "intent": {"summary": written["summary"]},
            "signature": signature.model_dump(),
            "effects": list(dict.fromkeys(written["effects"])),
            "assertions": [a.model_dump() for a in assertions],
            "examples": [e.model_dump() for e in examples],
            "holes": [h.model_dump() for h in holes],
            "metadata": metadata.model_dump(),
        }
    )


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


def _hole(identifier: str, question: str) -> Hole:
    return Hole(id=identifier, kind="assertion", question=question, expected_type="expression")


def _shown(signature: Signature, example: Example) -> str:
    outcome = f"-> {example.result}" if example.raises is None else f"raises {example.raises}"
    return f"{signature.name}({', '.join(example.arguments)}) {outcome}"
