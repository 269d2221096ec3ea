"""What is mutated and measured, and which tests are to notice. None of these tests needs the engine."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Group:
    """Modules that belong together, the test files that exercise them, and how many mutants of each are tried."""

    modules: tuple[str, ...]
    tests: tuple[str, ...]
    sample: int


CONSTRAINTS = Path("tests/functions/constraints")
SLOW_FILES = {"test_compile_fuzz", "test_extraction"}
SLOW_TESTS = (
    "test_python_grammar.py::test_whatever_the_mask_allows_parses_and_obeys_every_rule",
    "test_python_grammar.py::test_real_functions_are_in_the_grammar_and_judged_alike_with_it_and_without",
    "test_typescript_grammar.py::test_whatever_the_mask_lets_end_parses",
    "test_typescript_rules.py::test_whatever_the_mask_allows_parses_and_obeys_every_rule",
)
"""Random walks and real packages: what they find is real, but they take longer than a mutant may."""

GROUPS = {
    "auth": Group(
        (
            "endpoints/acting.py",
            "endpoints/address_limits.py",
            "endpoints/auth.py",
            "endpoints/guard.py",
            "endpoints/jwks.py",
            "endpoints/tokens.py",
            "functions/api_keys.py",
            "functions/callers.py",
            "functions/identities.py",
        ),
        (
            "tests/endpoints/test_acting.py",
            "tests/endpoints/test_guard.py",
            "tests/endpoints/test_tokens.py",
            "tests/endpoints/test_jwks.py",
            "tests/endpoints/test_lasting_tokens.py",
            "tests/endpoints/test_address_limits.py",
            "tests/endpoints/test_auth.py",
            "tests/endpoints/test_account.py",
            "tests/endpoints/test_maintenance.py",
            "tests/endpoints/test_degraded_mode.py",
            "tests/functions/test_api_keys.py",
        ),
        15,
    ),
    "admission": Group(
        (
            "endpoints/admission.py",
            "endpoints/admitted_work.py",
            "endpoints/rate_limit_headers.py",
            "functions/costs.py",
            "functions/degraded_mode.py",
            "functions/local_allowance.py",
            "functions/read_limits.py",
        ),
        (
            "tests/endpoints/test_admission.py",
            "tests/endpoints/test_admitted_work.py",
            "tests/endpoints/test_letting_begin.py",
            "tests/endpoints/test_outcomes.py",
            "tests/endpoints/test_rate_limit_headers.py",
            "tests/endpoints/test_degraded_mode.py",
            "tests/functions/test_degraded_mode.py",
            "tests/functions/test_local_allowance.py",
            "tests/functions/test_read_limits.py",
        ),
        15,
    ),
    "settlement": Group(
        ("endpoints/afterwards.py", "endpoints/settlements.py", "functions/ledger.py", "functions/usage_outbox.py"),
        (
            "tests/endpoints/test_admitted_work.py",
            "tests/endpoints/test_afterwards.py",
            "tests/endpoints/test_letting_begin.py",
            "tests/endpoints/test_settlements.py",
            "tests/functions/test_settling_together.py",
            "tests/functions/test_usage_outbox.py",
            "tests/functions/test_ledger.py",
            "tests/functions/test_ledger_records.py",
            "tests/functions/test_degraded_mode.py",
            "tests/endpoints/test_degraded_mode.py",
        ),
        15,
    ),
    "versioning": Group(
        (
            "functions/differences.py",
            "functions/ir_edits.py",
            "functions/json_values.py",
            "functions/merging.py",
            "functions/pages.py",
            "functions/sessions.py",
        ),
        (
            "tests/functions/test_differences.py",
            "tests/functions/test_ir_edits.py",
            "tests/functions/test_merging.py",
            "tests/functions/test_pages.py",
            "tests/functions/test_resolution.py",
            "tests/functions/test_sessions.py",
            "tests/functions/test_sessions_concurrency.py",
            "tests/functions/test_assists.py",
            "tests/endpoints/test_sessions.py",
        ),
        15,
    ),
    "constraints": Group(
        tuple(str(path) for path in sorted(Path("functions/constraints").glob("*.py")) if path.name != "__init__.py"),
        (
            *(str(path) for path in sorted(CONSTRAINTS.glob("test_*.py")) if path.stem not in SLOW_FILES),
            *(f"--deselect={CONSTRAINTS}/{test}" for test in SLOW_TESTS),
        ),
        6,
    ),
}
