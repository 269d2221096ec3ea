"""The specification's assertions as property-based tests: rows of evidence out of a search for inputs that break them.

Hypothesis makes the inputs out of the parameters' types, in the sandbox, and shrinks those that break something. A call
that raises what the specification lists is no fault; one that raises anything else, or whose value is not of the
declared type, is one, in the row "outcomes".
"""

from dataclasses import replace

from functions.evidence import Check
from functions.ir import IntermediateRepresentation
from functions.sandbox import Fault, Properties, Sandbox, Search

OUTCOMES = "outcomes"


async def property_checks(code: str, ir: IntermediateRepresentation, sandbox: Sandbox) -> tuple[list[Check], bool]:
    """A row for each assertion and one for the outcomes; none where nothing is asserted. Second: whether it would last.

    Raises `Unavailable` when no sandbox can be had.
    """
    if not ir.assertions:
        return [], True
    search = await sandbox.search(code, properties_of(ir))
    return _marked(ir, _rows(ir, search)), search.ended == "finished" and not search.lost


def unrun_property_checks(ir: IntermediateRepresentation) -> list[Check]:
    """The same rows for a candidate that has failed before."""
    return _marked(ir, [Check(name, "not_run") for name in _names(ir)])


def properties_of(ir: IntermediateRepresentation) -> Properties:
    """What the specification says of every call. An example's exception may be raised too."""
    raises = [*ir.signature.raises, *(example.raises for example in ir.examples if example.raises)]
    return Properties(
        name=ir.signature.name,
        parameters=tuple(parameter.name for parameter in ir.signature.parameters),
        annotations=tuple(parameter.type for parameter in ir.signature.parameters),
        returns=ir.signature.returns,
        raises=tuple(dict.fromkeys(raises)),
        assertions=tuple(assertion.expression for assertion in ir.assertions),
        examples=tuple(
            (tuple(example.arguments), None if example.raises else example.result or "None")
            for example in ir.examples
            if len(example.arguments) == len(ir.signature.parameters)
        ),
    )


def _rows(ir: IntermediateRepresentation, search: Search) -> list[Check]:
    names = _names(ir)
    if search.ended != "finished":
        return [Check(name, "failed", f"{search.ended}: {search.error}") for name in names]
    faults = {fault.about: fault for fault in search.faults}
    unheld = dict(search.unheld)
    outcome = faults.get(None)
    rows = [_outcomes(search, outcome)]
    for number, (name, assertion) in enumerate(zip(names[1:], ir.assertions, strict=True)):
        fault = faults.get(number)
        if fault is not None:
            rows.append(Check(name, "failed", f"{fault.call} {fault.seen}, so not: {assertion.expression}"))
        elif number in unheld:
            rows.append(Check(name, "skipped", f"{assertion.expression}: {unheld[number]}"))
        else:
            rows.append(_held(name, search))
    return rows


def _marked(ir: IntermediateRepresentation, rows: list[Check]) -> list[Check]:
    """The rows with what is guessed said so: of the outcomes, where nobody but a model has asserted anything."""
    guessed = [f"/assertions/{i}" in ir.guesses for i in range(len(ir.assertions))]
    return [replace(row, guessed=is_guess) for row, is_guess in zip(rows, [all(guessed), *guessed], strict=False)]


def _outcomes(search: Search, fault: Fault | None) -> Check:
    if fault is None:
        return _held(OUTCOMES, search)
    not_listed = ", which the specification does not list" if fault.seen.startswith("raised") else ""
    return Check(OUTCOMES, "failed", f"{fault.call} {fault.seen}{not_listed}")


def _held(name: str, search: Search) -> Check:
    lost = f"; no answer in time, or a crash: {', '.join(search.lost)}" if search.lost else ""
    if search.tried:
        return Check(name, "passed", f"held for {search.tried} calls{lost}")
    return Check(name, "skipped", f"no call could be tried{lost}")


def _names(ir: IntermediateRepresentation) -> list[str]:
    return [OUTCOMES, *(f"assertion {i}" for i in range(1, len(ir.assertions) + 1))] if ir.assertions else []
