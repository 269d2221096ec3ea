"""What a candidate must pass, cheapest first: it parses, has the signature, knows its names, does what is said."""

import ast
import asyncio
import math
import warnings
from collections.abc import Sequence
from typing import Any

from functions.constraints.violations import Violation
from functions.evidence import Check, Evidence
from functions.ir import Example, IntermediateRepresentation
from functions.own_test_checks import own_test_checks, unrun_own_test_checks
from functions.own_tests import OwnTests
from functions.probe_calls import probe_calls
from functions.property_checks import property_checks, unrun_property_checks
from functions.sandbox import CallResult, Sandbox, SandboxResult
from functions.type_checks import TypeChecker
from functions.unbound_names import unbound_names
from infra import telemetry
from infra import telemetry_names as names

RELATIVE_TOLERANCE = 1e-9
_BROKEN = frozenset(("NameError", "AttributeError", "TypeError", "ImportError", "RecursionError"))
"""Exceptions that speak of the code, not of what it was given: they count whoever has made up the example."""
_ALARMS = _BROKEN | {"IndexError", "KeyError", "ZeroDivisionError", "UnboundLocalError", "OverflowError"}
"""Those that seldom are meant where the specification does not name them."""


async def verify(
    code: str,
    ir: IntermediateRepresentation,
    sandbox: Sandbox,
    violations: Sequence[Violation] = (),
    *,
    types: TypeChecker | None = None,
    tests: OwnTests | None = None,
) -> Evidence:
    """Check one candidate against its specification; `violations` are what it breaks of the constraints.

    Without `types` there is no row about them; `tests` are the session's own. What is dear is not run when something
    cheaper has failed. Raises `Unavailable` when no sandbox can be had.
    """
    with telemetry.span(names.VERIFY) as span:
        evidence = await _checked(code, ir, sandbox, violations, types=types, tests=tests)
        verdicts = [check.verdict for check in evidence.checks]
        counted = {names.CHECKS_PASSED: verdicts.count("passed"), names.CHECKS_FAILED: verdicts.count("failed")}
        span.set_attributes(counted)
        return evidence


async def _checked(
    code: str,
    ir: IntermediateRepresentation,
    sandbox: Sandbox,
    violations: Sequence[Violation],
    *,
    types: TypeChecker | None,
    tests: OwnTests | None,
) -> Evidence:
    checks = [_parses(code)]
    if checks[0].verdict == "passed":
        checks += [_has_signature(code, ir), _knows_its_names(code)]
    can_run = all(check.verdict == "passed" for check in checks)
    checks.append(_obeys(violations))
    if not can_run:
        unrun = [_not_run(ir, i) for i in range(len(ir.examples))]
        return Evidence([*checks, *unrun, *unrun_property_checks(ir), *unrun_own_test_checks(tests)])
    typed, result = await asyncio.gather(_types(code, types), _run(code, ir, sandbox))
    checks += [*typed, _defines(result), *_examples(ir, result)]
    outcomes = tuple(call.value or f"raised {call.raised[0] if call.raised else call.error}" for call in result.calls)
    crashes = sum(not _ALARMS.isdisjoint(call.raised[:1]) for call in result.calls if not _may_raise(ir, call))
    lasting = result.ended == "finished"
    if any(check.verdict == "failed" for check in checks):
        checks += unrun_property_checks(ir)
    else:
        properties, lasting = await property_checks(code, ir, sandbox)
        checks += properties
    if tests is not None:
        # A guess that fails may be wrong itself, and then the tests are what tells.
        if any(check.verdict == "failed" and not check.guessed for check in checks):
            checks += unrun_own_test_checks(tests)
        else:
            rows, would_last = await own_test_checks(code, ir, tests, sandbox)
            checks, lasting = [*checks, *rows], lasting and would_last
    return Evidence(checks, lasting=lasting, outcomes=outcomes, crashes=crashes)


async def _types(code: str, types: TypeChecker | None) -> list[Check]:
    return [] if types is None else [await types.check(code)]


async def _run(code: str, ir: IntermediateRepresentation, sandbox: Sandbox) -> SandboxResult:
    """The examples' calls, and those near them: what hangs or crashes on one of the latter is run without them."""
    calls, near = [_call(ir, example) for example in ir.examples], probe_calls(ir)
    result = await sandbox.run(code, [*calls, *near])
    return result if result.ended == "finished" or not near else await sandbox.run(code, calls)


def _may_raise(ir: IntermediateRepresentation, call: CallResult) -> bool:
    listed = {*ir.signature.raises, *(example.raises for example in ir.examples)}
    return not listed.isdisjoint(call.raised)


def signature_of(code: str) -> str | None:
    """The first function's head in `ast.unparse`'s form, without its name's body; None when there is none."""
    function = next((node for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)), None)
    if function is None:
        return None
    head = ast.FunctionDef(function.name, function.args, [ast.Pass()], [], function.returns, lineno=1)
    return ast.unparse(head)


def literal(expression: str) -> Any:
    """The value of a Python literal. Raises `ValueError` for anything else, however deep or large."""
    try:
        return ast.literal_eval(expression)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError(f"{expression[:80]!r} is not a Python literal") from error


def same_value(expected: Any, actual: Any) -> bool:
    """Equal in value and type, floats within 1e-9 relative; `1` is not `True`, a list is not a tuple."""
    if isinstance(expected, float) and isinstance(actual, int | float) and not isinstance(actual, bool):
        return math.isclose(expected, actual, rel_tol=RELATIVE_TOLERANCE) or (math.isnan(expected) and actual != actual)  # noqa: PLR0124 - NaN
    if type(expected) is not type(actual):
        return False
    if isinstance(expected, list | tuple):
        return len(expected) == len(actual) and all(map(same_value, expected, actual))
    if isinstance(expected, dict):
        return expected.keys() == actual.keys() and all(same_value(expected[key], actual[key]) for key in expected)
    return bool(expected == actual)


def _parses(code: str) -> Check:
    try:
        with warnings.catch_warnings(action="ignore"):  # `x is 1`: doubtful, and Python all the same
            compile(code, "<candidate>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Check("parses", "failed", str(error)[:300])
    return Check("parses", "passed")


def _obeys(violations: Sequence[Violation]) -> Check:
    if not violations:
        return Check("constraints", "passed")
    return Check("constraints", "failed", "; ".join(f"line {v.line}: {v.message}" for v in violations[:5]))


def _has_signature(code: str, ir: IntermediateRepresentation) -> Check:
    wanted = signature_of(ir.signature.to_source() + ":\n    pass\n")
    found = signature_of(code)
    if found == wanted:
        return Check("signature", "passed")
    return Check("signature", "failed", f"it is {(found or 'no function').splitlines()[0]}")


def _knows_its_names(code: str) -> Check:
    unknown = unbound_names(ast.parse(code))
    if not unknown:
        return Check("names", "passed")
    return Check("names", "failed", "; ".join(f"line {line}: {name} is not defined" for name, line in unknown.items()))


def _defines(result: SandboxResult) -> Check:
    if result.ended != "finished":
        return Check("runs", "failed", f"{result.ended}: {result.error}")
    return Check("runs", "passed") if result.defined else Check("runs", "failed", result.error)


def _examples(ir: IntermediateRepresentation, result: SandboxResult) -> list[Check]:
    outcomes: list[CallResult | None] = [*result.calls, *[None] * (len(ir.examples) - len(result.calls))]
    return [
        _not_run(ir, i) if outcome is None else _compare(ir, i, outcome)
        for i, outcome in enumerate(outcomes[: len(ir.examples)])
    ]


def _not_run(ir: IntermediateRepresentation, index: int) -> Check:
    return Check(_name(index), "not_run", guessed=_is_guess(ir, index))


def _compare(ir: IntermediateRepresentation, index: int, outcome: CallResult) -> Check:
    example = ir.examples[index]
    is_right, seen = _outcome(example, outcome)
    call = _call(ir, example)
    wanted = f"raise {example.raises}" if example.raises else f"give {_short(example.result or 'None')}"
    detail = f"{call} {seen}" if is_right else f"{call} should {wanted}, and {seen}"
    is_guess = _is_guess(ir, index) and _BROKEN.isdisjoint(outcome.raised)
    return Check(_name(index), "passed" if is_right else "failed", detail, guessed=is_guess)


def _outcome(example: Example, outcome: CallResult) -> tuple[bool, str]:
    """Whether it is the example's, and what was seen."""
    if outcome.raised or outcome.value is None:
        is_right = example.raises is not None and example.raises in outcome.raised
        return is_right, f"raised {example.raises if is_right else outcome.error}"
    seen = f"gave {_short(outcome.value)}"
    if example.raises is not None:
        return False, seen
    expected = example.result or "None"
    try:
        return same_value(literal(expected), literal(outcome.value)), seen
    except ValueError:
        return expected == outcome.value, seen


def _is_guess(ir: IntermediateRepresentation, index: int) -> bool:
    return f"/examples/{index}" in ir.guesses


def _call(ir: IntermediateRepresentation, example: Example) -> str:
    return f"{ir.signature.name}({', '.join(example.arguments)})"


def _name(index: int) -> str:
    return f"example {index + 1}"


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= 200 else f"{text[:200]}..."  # noqa: PLR2004 - for a person to read
