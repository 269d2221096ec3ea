"""What can be told of a TypeScript candidate without running it: it parses, has its head, keeps to its constraints.

Nothing here executes TypeScript, and its types have a checker only where there is Node: the rows of what was not
checked say so. They stand in no candidate's way.
"""

from collections.abc import Sequence

from functions.constraints.extraction.syntax_tree import first_error
from functions.constraints.typescript_signature import read_typescript_signature, signature_of
from functions.constraints.typescript_tree import parsed
from functions.constraints.violations import Violation
from functions.evidence import Check, Evidence
from functions.ir import IntermediateRepresentation
from functions.own_tests import OwnTests
from functions.typescript_writing import typescript_head

NOT_EXECUTED = "not run: TypeScript is not executed here"
NO_CHECKER = "not run: there is no checker of TypeScript's types here"


def verify_typescript(
    code: str, ir: IntermediateRepresentation, violations: Sequence[Violation] = (), tests: OwnTests | None = None
) -> Evidence:
    """Rows of the same names as a Python candidate's."""
    source = code.encode(errors="replace")
    root = parsed(source)
    fault = first_error(root)
    checks = [_parses(fault.start_point.row + 1 if fault is not None else None)]
    if fault is None:
        wanted = read_typescript_signature(typescript_head(ir)).head
        functions = [node for node in root.named_children if node.type == "function_declaration"]
        found = signature_of(functions[0], source).head if functions else "no function"
        is_same = found == wanted
        checks.append(Check("signature", "passed" if is_same else "failed", "" if is_same else f"it is {found}"))
    broken = "; ".join(f"line {v.line}: {v.message}" for v in violations[:5])
    checks.append(Check("constraints", "failed" if broken else "passed", broken))
    checks.append(Check("types", "skipped", NO_CHECKER))
    guesses = ir.guesses
    for kind, number in (("example", len(ir.examples)), ("assertion", len(ir.assertions))):
        for i in range(number):
            is_guess = f"/{kind}s/{i}" in guesses
            checks.append(Check(f"{kind} {i + 1}", "skipped", NOT_EXECUTED, guessed=is_guess))
    checks += [Check(name, "skipped", NOT_EXECUTED) for name in (tests.names if tests else ())]
    return Evidence(checks)


def _parses(fault_line: int | None) -> Check:
    if fault_line is None:
        return Check("parses", "passed")
    return Check("parses", "failed", f"line {fault_line}: it is not TypeScript")
