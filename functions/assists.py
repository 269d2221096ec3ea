"""What a specification lacks or says twice, each with the change that mends it; found by rules, not by a model.

Predicates are evaluated in the sandbox, on the specification's own examples and at the edges of the types.
"""

import ast
import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from functions.edge_cases import edge_cases
from functions.failures import NotFound
from functions.ir import Example, Hole, IntermediateRepresentation, Signature
from functions.ir_edits import Stored, call_of, line_of, misfit, with_holes, with_value, without_examples
from functions.literal_types import type_of
from functions.resolution import NOT_NEEDED
from functions.sandbox import CallResult, Sandbox
from functions.verification import literal

Kind = Literal[
    "edge_case", "contradiction", "repetition", "misfit", "broken_assertion", "untested_assertion", "untested_raise",
    "loose_type", "untested_effect",
]  # fmt: skip
MOST_EDGES = 12
_LONGEST = 4_000
_LONGEST_CALL = 500


class Action(BaseModel):
    """What applying does: sets a value, takes examples out (by their places), and asks questions (as holes)."""

    model_config = ConfigDict(frozen=True)

    set: dict[str, Any] = {}
    remove_examples: tuple[int, ...] = ()
    ask: tuple[Hole, ...] = ()


class Assist(BaseModel):
    """One suggestion. `id` is the same as long as what it is about is the same; `about` is a JSON pointer."""

    model_config = ConfigDict(frozen=True)

    id: str
    kind: Kind
    text: str
    about: str
    action: Action


async def assists(stored: Stored | None, sandbox: Sandbox) -> list[Assist]:
    """In the order of weight: what is wrong, then what is not tried, then what could be clearer.

    Empty without a specification. Raises `Unavailable` when there is no sandbox to evaluate predicates in.
    """
    if stored is None:
        return []
    ir = IntermediateRepresentation.model_validate(stored)
    found = [*_contradictions(ir), *_misfits(ir)]
    if ir.metadata.language == "python":
        found += await _of_assertions(ir, sandbox)
    found += [*_untested_raises(ir), *_edge_cases(ir), *_loose_types(ir), *_untested_effects(ir)]
    asked = {hole.question for hole in ir.holes}
    return [assist for assist in found if not any(hole.question in asked for hole in assist.action.ask)]


def applied(stored: Stored, assist: Assist) -> dict[str, Any]:
    """The specification with the assist's action done; the rest is as it was, to the byte."""
    changed = dict(stored)
    for pointer, value in assist.action.set.items():
        changed = with_value(changed, pointer, value)
    if assist.action.remove_examples:
        changed = without_examples(changed, assist.action.remove_examples)
    return with_holes(changed, assist.action.ask) if assist.action.ask else changed


def of_id(found: Sequence[Assist], assist_id: str) -> Assist:
    """Raises `NotFound`: the specification may have moved on."""
    for assist in found:
        if assist.id == assist_id:
            return assist
    raise NotFound("such assist for this version")


def _contradictions(ir: IntermediateRepresentation) -> Iterator[Assist]:
    """Examples of the same arguments: those that say the same are one, those that do not are a question."""
    by_arguments: dict[tuple[str, ...], list[int]] = {}
    for i, example in enumerate(ir.examples):
        by_arguments.setdefault(tuple(map(_normal, example.arguments)), []).append(i)
    for numbers in by_arguments.values():
        if len(numbers) == 1:
            continue
        outcomes = {(_normal(ir.examples[i].result or "None"), ir.examples[i].raises) for i in numbers}
        about = f"/examples/{numbers[1]}"
        call = call_of(ir.signature, ir.examples[numbers[0]])
        if len(outcomes) == 1:
            text = f"{_cut(call)} is an example {len(numbers)} times; once is enough."
            yield _assist("repetition", text, about, Action(remove_examples=tuple(numbers[1:])))
            continue
        lines = [line_of(ir.signature, ir.examples[i]) for i in numbers]
        text = f"Examples contradict each other: {'; '.join(map(_cut, lines))}."
        hole = _example_hole("contradiction", f"Examples say different things of {_cut(call)}. Which holds?", lines)
        yield _assist("contradiction", text, about, Action(remove_examples=tuple(numbers), ask=(hole,)))


def _misfits(ir: IntermediateRepresentation) -> Iterator[Assist]:
    for i, example in enumerate(ir.examples):
        if (fault := misfit(example, ir.signature)) is not None:
            line = _cut(line_of(ir.signature, example))
            hole = _example_hole("misfit", f"{line} is no example of this function: {_cut(fault)}. What is meant?", [])
            text = f"{line} does not fit the signature: {_cut(fault)}."
            yield _assist("misfit", text, f"/examples/{i}", Action(remove_examples=(i,), ask=(hole,)))


async def _of_assertions(ir: IntermediateRepresentation, sandbox: Sandbox) -> list[Assist]:
    """Assertions that an example breaks, and those that no example exercises."""
    usable = [e for e in ir.examples if e.raises is None and len(e.arguments) == len(ir.signature.parameters)]
    edges = [Example(arguments=list(case.arguments)) for case in edge_cases(ir.signature)[:MOST_EDGES]]
    calls: list[str] = []
    for assertion in ir.assertions:
        premise = _premise(assertion.expression)
        calls += [_evaluating(ir.signature, example, assertion.expression) for example in usable]
        calls += [_evaluating(ir.signature, example, premise) for example in [*usable, *edges]]
    if not calls:
        return []
    ran = await sandbox.run("", calls)
    outcomes = iter([*ran.calls, *[CallResult()] * (len(calls) - len(ran.calls))])
    found = []
    for i, assertion in enumerate(ir.assertions):
        held = [next(outcomes).value for _ in usable]
        supposed = [next(outcomes).value for _ in usable]
        possible = [next(outcomes).value for _ in edges]
        about, shown = f"/assertions/{i}", _cut(assertion.expression)
        broken = [example for example, value in zip(usable, held, strict=True) if value == "False"]
        if broken:
            found.append(_broken(ir, about, shown, broken[0]))
        elif "True" not in [h if s == "True" else s for h, s in zip(held, supposed, strict=True)]:
            taken = [example.arguments for example in ir.examples]
            trying = [
                e for e, value in zip(edges, possible, strict=True) if value == "True" and e.arguments not in taken
            ]
            like = f" For instance, what does {_cut(call_of(ir.signature, trying[0]))} give?" if trying else ""
            question = f"No example exercises `{shown}`. Which call shows that it holds?{like}"
            hole = _example_hole("untested", question, [])
            found.append(_assist("untested_assertion", f"No example exercises `{shown}`.", about, Action(ask=(hole,))))
    return found


def _broken(ir: IntermediateRepresentation, about: str, shown: str, example: Example) -> Assist:
    line = _cut(line_of(ir.signature, example))
    place = ir.examples.index(example)
    question = f"`{shown}` should hold for every call, and {line} breaks it. What does the call give?"
    action = Action(remove_examples=(place,), ask=(_example_hole("broken", question, []),))
    return _assist("broken_assertion", f"{line} contradicts the assertion `{shown}`.", about, action)


def _premise(expression: str) -> str:
    """Of `not A or B` and of `B if A else True`, which say nothing where A is false, A; else that there is a result."""
    match ast.parse(expression, mode="eval").body:
        case ast.BoolOp(op=ast.Or(), values=[ast.UnaryOp(op=ast.Not(), operand=premise), *_]):
            return ast.unparse(premise)
        case ast.IfExp(test=premise, orelse=ast.Constant(value=True)):
            return ast.unparse(premise)
    return "True"


def _evaluating(signature: Signature, example: Example, predicate: str) -> str:
    names = ["result", *(parameter.name for parameter in signature.parameters)]
    return (
        f"(lambda {', '.join(names)}: bool({predicate}))({', '.join([example.result or 'None', *example.arguments])})"
    )


def _untested_raises(ir: IntermediateRepresentation) -> Iterator[Assist]:
    shown = {example.raises.split(".")[-1] for example in ir.examples if example.raises}
    taken = [example.arguments for example in ir.examples]
    for i, raised in enumerate(ir.signature.raises):
        if raised.split(".")[-1] in shown:
            continue
        cases = [Example(arguments=list(case.arguments), raises=raised) for case in edge_cases(ir.signature)]
        lines = [line_of(ir.signature, case) for case in cases if case.arguments not in taken]
        hole = _example_hole("raises", f"Which call raises {raised}?", lines)
        text = f"It may raise {raised}, and no example shows when."
        yield _assist("untested_raise", text, f"/signature/raises/{i}", Action(ask=(hole,)))


def _edge_cases(ir: IntermediateRepresentation) -> Iterator[Assist]:
    """Edges of the parameters' types at which no example is: the other arguments are as in the first example."""
    fitting = [e for e in ir.examples if misfit(e, ir.signature) is None and e.raises is None]
    ordinary = tuple(fitting[0].arguments) if fitting else None
    at = [
        {_normal(e.arguments[i]) for e in ir.examples if i < len(e.arguments)}
        for i in range(len(ir.signature.parameters))
    ]
    places = {parameter.name: i for i, parameter in enumerate(ir.signature.parameters)}
    for case in edge_cases(ir.signature, ordinary)[:MOST_EDGES]:
        place = places[case.parameter]
        value = case.arguments[place]
        covered = _has_negative(at[place]) if value.startswith("-") else value in at[place]
        if covered:
            continue
        call = call_of(ir.signature, Example(arguments=list(case.arguments)))
        suggestions = [f"{call} raises {raised}" for raised in ir.signature.raises]
        hole = _example_hole("edge", f"What should {_cut(call)} give?", suggestions)
        text = f"No example has {case.what} for `{case.parameter}`: what should {_cut(call)} give?"
        yield _assist("edge_case", text, f"/signature/parameters/{place}", Action(ask=(hole,)))


def _loose_types(ir: IntermediateRepresentation) -> Iterator[Assist]:
    """Types that allow anything, with what the examples are of in their place, or a question where there are none."""
    loose = ("object", "Any", "typing.Any")
    for i, parameter in enumerate(ir.signature.parameters):
        if parameter.type in loose:
            values = [e.arguments[i] for e in ir.examples if i < len(e.arguments) and e.raises is None]
            pointer = f"/signature/parameters/{i}/type"
            yield _narrower(f"`{parameter.name}`", pointer, f"type-{i}", _kind(values))
    if ir.signature.returns in loose:
        values = [e.result or "None" for e in ir.examples if e.raises is None]
        yield _narrower("what it returns", "/signature/returns", "type-returns", _kind(values))


def _narrower(what: str, pointer: str, hole_id: str, kind: str | None) -> Assist:
    if kind is not None:
        text = f"Any object is allowed for {what}; the examples are all of type {kind}."
        return _assist("loose_type", text, pointer, Action(set={pointer: kind}))
    hole = Hole(id=hole_id, kind="signature", question=f"What is the type of {what}?", expected_type="type")
    return _assist("loose_type", f"Any object is allowed for {what}.", pointer, Action(ask=(hole,)))


def _untested_effects(ir: IntermediateRepresentation) -> Iterator[Assist]:
    """Effects that nobody was asked about: neither an example nor an assertion can show them."""
    asked = [hole for hole in ir.holes if hole.kind == "effect"]
    for i, effect in enumerate(ir.effects):
        if any(effect in (hole.id, *hole.id.split("-")) or effect in hole.question for hole in asked):
            continue
        shown = effect.replace("_", " ")
        hole = Hole(
            id=f"effect-{effect}",
            kind="effect",
            question=f"It may touch the {shown}, which no example shows ({effect}). What may it do there?",
            suggestions=[NOT_NEEDED],
        )
        text = f"It may touch the {shown}, and nothing in the specification can show that it does so rightly."
        yield _assist("untested_effect", text, f"/effects/{i}", Action(ask=(hole,)))


def _assist(kind: Kind, text: str, about: str, action: Action) -> Assist:
    content = json.dumps([kind, text, about, action.model_dump(mode="json")], sort_keys=True)
    digest = hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:12]
    return Assist(id=f"{kind}-{digest}", kind=kind, text=text, about=about, action=action)


def _example_hole(identifier: str, question: str, suggestions: Sequence[str]) -> Hole:
    short = [suggestion for suggestion in suggestions if len(suggestion) <= _LONGEST]
    return Hole(
        id=identifier,
        kind="assertion",
        question=question[:_LONGEST],
        expected_type="example",
        suggestions=list(dict.fromkeys(short))[:10],
    )


def _kind(texts: Sequence[str]) -> str | None:
    try:
        kind = type_of(literal(text) for text in texts)
    except ValueError:
        return None
    return None if kind is None or "object" in kind else kind


def _normal(text: str) -> str:
    """One spelling for all that are the same literal."""
    try:
        return repr(literal(text))
    except ValueError:
        return text


def _has_negative(texts: set[str]) -> bool:
    return any(text.startswith("-") for text in texts)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CALL else f"{text[:_LONGEST_CALL]}..."
