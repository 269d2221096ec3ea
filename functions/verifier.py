"""Verification that is done once: equal code under equal checks has the verdict that it had."""

import hashlib
import json
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from functions.cache import Cache, Store
from functions.constraints.violations import Violation
from functions.evidence import Check, Evidence
from functions.ir import IntermediateRepresentation
from functions.own_tests import OwnTests
from functions.sandbox import Sandbox
from functions.type_checks import TypeChecker
from functions.verification import verify

WEEK_S = 7 * 24 * 3600.0
_MADE_BY = ("evidence", "judge", "own_", "plain_values", "probe", "property", "sandbox", "type_", "unbound", "verif")


class Verifier:
    """Verdicts of one sandbox. Processes share them by `store`; without it nothing is kept."""

    def __init__(self, sandbox: Sandbox, *, types: TypeChecker | None = None, store: Store | None = None) -> None:
        self._sandbox = sandbox
        self._types = types
        self._kept = store and Cache(store, name="verdicts", version=verifier_version(), max_age_s=WEEK_S)

    def start(self) -> None:
        """Have ready what takes a second to start, while the first candidate is being written."""
        if self._types is not None:
            self._types.start()

    async def evidence(
        self,
        code: str,
        ir: IntermediateRepresentation,
        violations: Sequence[Violation] = (),
        tests: OwnTests | None = None,
    ) -> Evidence:
        """See `verify`. Raises `Unavailable` when no sandbox can be had."""
        key = self._key(code, ir, violations, tests)
        if self._kept and (known := await self._kept.get(key)) is not None:
            kept = json.loads(known)
            checks = [Check(**row) for row in kept["checks"]]
            return Evidence(checks, outcomes=tuple(kept["outcomes"]), crashes=kept["crashes"])
        evidence = await verify(code, ir, self._sandbox, violations, types=self._types, tests=tests)
        if self._kept and evidence.lasting:
            kept = {"checks": evidence.as_json(), "outcomes": evidence.outcomes, "crashes": evidence.crashes}
            await self._kept.put(key, json.dumps(kept).encode())
        return evidence

    def _key(
        self, code: str, ir: IntermediateRepresentation, violations: Sequence[Violation], tests: OwnTests | None
    ) -> str:
        checks = ir.model_dump(mode="json", include={"signature", "examples", "assertions"})
        broken = [[violation.line, violation.message] for violation in violations]
        return json.dumps([code, checks, sorted(ir.guesses), broken, self._types is not None, tests and tests.source])


@cache
def verifier_version() -> str:
    """A digest over what verdicts depend on: these modules, Python, and what makes inputs and reads types."""
    digest = hashlib.sha256("\0".join([sys.version, version("hypothesis"), version("mypy")]).encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem.startswith(_MADE_BY):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
