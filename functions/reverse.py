"""The way back: source code to a specification. What the source says is believed when it was seen to be so.

The source is read in the validator's limited processes, and run only in the sandbox. The model is asked only what the
function is for, and only where the source does not say it.
"""

import time
from dataclasses import dataclass
from typing import Literal

from functions.asking import Asker
from functions.edge_cases import edge_cases
from functions.failures import ConstraintRefused, GenerationCut, GenerationTimeout, PromptTooLong, Refused, Unavailable
from functions.generation import Timing, Usage
from functions.ir import Assertion, Example, Hole, Intent, IntermediateRepresentation, Metadata, Provenance, clauses
from functions.reversing.model import Claim, ClaimedAssertion, Reading
from functions.reversing.python_source import read_python
from functions.reversing.typescript_source import read_typescript
from functions.sandbox import CallResult, Sandbox, SandboxResult
from functions.validation import ConstraintValidator
from functions.verification import literal, same_value

MODULES = ("functions.reversing.python_source", "functions.reversing.typescript_source")
"""What the validator's processes must have imported before they are given this module's work."""
DESCRIBE = "describe.v1"
MODEL_CONFIDENCE = 0.5
MOST_INPUTS = 20
MOST_HOLES = 50
_READERS = {"python": read_python, "typescript": read_typescript}

SourceLanguage = Literal["python", "typescript"]


@dataclass(frozen=True)
class Reversed:
    """The specification, and what it took; no tokens where the model was not asked."""

    ir: IntermediateRepresentation
    usage: Usage
    timing: Timing


class Reverse:
    """Reads functions, over any sandbox and any engine."""

    def __init__(self, validator: ConstraintValidator, sandbox: Sandbox, asker: Asker) -> None:
        self._validator = validator
        self._sandbox = sandbox
        self._asker = asker

    async def read(self, source: str, *, language: SourceLanguage = "python", name: str | None = None) -> Reversed:
        """The specification of one function, and of no other.

        Raises `Refused` for what cannot be read, and `Unavailable` when there is no process to read or run it in. That
        no model answers is no failure: what the function is for is an open question then.
        """
        reading = await self._reading(source, language, name)
        examples, assertions, holes = [], [], list(reading.holes)
        sandbox_s = 0.0
        if language == "python":
            started = time.monotonic()
            trial = await _Trial.of(source, reading, self._sandbox)
            sandbox_s = time.monotonic() - started
            examples, assertions = trial.examples(), trial.assertions()
            holes += trial.holes()
        summary, usage, first_s = reading.summary, Usage(prompt_tokens=0, cached_tokens=0, completion_tokens=0), None
        asked_s = 0.0
        if not summary:
            try:
                asked = await self._asker.ask(DESCRIBE, reading.text, ("summary",))
                summary, usage, first_s = asked.value["summary"], asked.usage, asked.timing.time_to_first_token_s
                asked_s = asked.timing.total_s
            except (Unavailable, PromptTooLong, GenerationCut, GenerationTimeout):
                holes.insert(0, _purpose(reading))
        ir = IntermediateRepresentation(
            intent=Intent(summary=summary or _in_words(reading.signature.name), rationale=reading.rationale),
            signature=reading.signature,
            effects=list(reading.effects),
            assertions=assertions,
            examples=examples,
            holes=holes[:MOST_HOLES],
            metadata=Metadata(language=language, origin="code"),
        )
        if usage.completion_tokens:
            told = {"model": self._asker.model, "prompt_version": DESCRIBE}
            ir = ir.model_copy(update={"metadata": ir.metadata.model_copy(update=told)})
        provenance = {clause: Provenance(source="code") for clause in clauses(ir)}
        if not reading.summary:
            provenance["/intent"] = Provenance(source="model", confidence=MODEL_CONFIDENCE if summary else 0.0)
        ir = ir.model_copy(update={"metadata": ir.metadata.model_copy(update={"provenance": provenance})})
        return Reversed(ir, usage, Timing(time_to_first_token_s=first_s, total_s=asked_s, sandbox_s=sandbox_s))

    async def _reading(self, source: str, language: SourceLanguage, name: str | None) -> Reading:
        try:
            reading: Reading = await self._validator.run_limited(_READERS[language], source, name)
        except ConstraintRefused as refused:
            raise Refused("/source", f"reading it goes beyond a limit: {refused.reason}") from None
        return reading


@dataclass(frozen=True)
class _Trial:
    """What the source says, beside what its function did."""

    reading: Reading
    ran: SandboxResult

    @classmethod
    async def of(cls, source: str, reading: Reading, sandbox: Sandbox) -> "_Trial":
        calls = [claim.call for claim in reading.claims]
        calls += [
            _trying(claimed, reading, arguments) for claimed in reading.assertions for arguments in inputs(reading)
        ]
        return cls(reading, await sandbox.run(source, calls) if calls else SandboxResult("finished", defined=True))

    def examples(self) -> list[Example]:
        """The claims that hold."""
        return [claim.example for claim, outcome in self._claims() if outcome and holds(claim.example, outcome)]

    def assertions(self) -> list[Assertion]:
        """The claimed assertions that held on every input on which they could be tried, and on one at least."""
        return [claimed.assertion for claimed, tried in self._assertions() if _has_held(tried)]

    def holes(self) -> list[Hole]:
        """What was claimed and was not seen to be so."""
        holes = []
        for number, (claim, outcome) in enumerate(self._claims(), 1):
            if outcome is None or not holds(claim.example, outcome):
                holes.append(self._example_hole(number, claim, outcome))
        for number, (claimed, tried) in enumerate(self._assertions(), 1):
            if not _has_held(tried):
                failed = any(result.value == "False" for result in tried)
                seen = "It does not hold for every input" if failed else f"It could not be tried{self._why()}"
                question = f"{claimed.where} says `{claimed.assertion.expression}`. {seen}. What should always hold?"
                holes.append(
                    Hole(
                        id=f"assertion-{number}",
                        kind="assertion",
                        question=question,
                        expected_type="expression",
                        suggestions=[] if failed else [claimed.assertion.expression],
                    )
                )
        return holes

    def _example_hole(self, number: int, claim: Claim, outcome: CallResult | None) -> Hole:
        call = f"{self.reading.signature.name}({', '.join(claim.example.arguments)})"
        said = described(call, claim.example)
        suggestions = [said]
        if outcome is None:
            seen = f"It could not be tried{self._why()}"
        elif outcome.raised:
            seen = f"It raised {outcome.error[:300]}"
            suggestions.insert(0, f"{call} raises {outcome.raised[0]}")
        else:
            seen = f"It gave {(outcome.value or '')[:300]}"
            suggestions.insert(0, f"{call} == {outcome.value}")
        question = f"{claim.where} says {said[:1_000]}. {seen}. What is meant?"
        suggestions = [suggestion for suggestion in suggestions if len(suggestion) <= 1_000]  # noqa: PLR2004 - to read
        return Hole(
            id=f"example-{number}",
            kind="assertion",
            question=question,
            expected_type="example",
            suggestions=suggestions,
        )

    def _why(self) -> str:
        return f" ({self.ran.error[:300]})" if self.ran.error else ""

    def _claims(self) -> list[tuple[Claim, CallResult | None]]:
        outcomes = [*self.ran.calls[: len(self.reading.claims)], *[None] * len(self.reading.claims)]
        return list(zip(self.reading.claims, outcomes, strict=False))

    def _assertions(self) -> list[tuple[ClaimedAssertion, tuple[CallResult, ...]]]:
        each = len(inputs(self.reading))
        tried = self.ran.calls[len(self.reading.claims) :]
        return [(a, tried[i * each : (i + 1) * each]) for i, a in enumerate(self.reading.assertions)]


def inputs(reading: Reading) -> list[tuple[str, ...]]:
    """Arguments to try assertions with: those that the source shows, then those at the edges of the types."""
    if not reading.is_plain:
        return []
    shown = [tuple(claim.example.arguments) for claim in reading.claims]
    edges = [case.arguments for case in edge_cases(reading.signature)]
    return list(dict.fromkeys([*shown, *edges]))[:MOST_INPUTS]


def holds(example: Example, outcome: CallResult) -> bool:
    """Whether a call did what the example says."""
    if example.raises is not None:
        return example.raises in outcome.raised
    expected = example.result or "None"
    if outcome.raised or outcome.value is None:
        return False
    try:
        return same_value(literal(expected), literal(outcome.value))
    except ValueError:
        return expected == outcome.value


def described(call: str, example: Example) -> str:
    """An example in one line: `f(1) == 2`, `f(0) raises ValueError`."""
    return f"{call} raises {example.raises}" if example.raises else f"{call} == {example.result or 'None'}"


def _trying(claimed: ClaimedAssertion, reading: Reading, arguments: tuple[str, ...]) -> str:
    """An expression that calls the function and evaluates the predicate, on arguments that the call did not change."""
    parameters = [parameter.name for parameter in reading.signature.parameters]
    given = [
        f"{name}={argument}" if name in reading.keyword_only else argument
        for name, argument in zip(parameters, arguments, strict=True)
    ]
    # By position come first, as calls are written.
    given.sort(key=lambda each: each.partition("=")[0] in reading.keyword_only)
    predicate = f"lambda result, {', '.join(parameters)}: bool({claimed.assertion.expression})"
    return f"({predicate})({reading.signature.name}({', '.join(given)}), {', '.join(arguments)})"


def _has_held(tried: tuple[CallResult, ...]) -> bool:
    values = [result.value for result in tried]
    return "True" in values and "False" not in values


def _purpose(reading: Reading) -> Hole:
    return Hole(
        id="purpose",
        kind="intent",
        question=f"What is {reading.signature.name} for? The source does not say it.",
        suggestions=[_in_words(reading.signature.name)],
    )


def _in_words(name: str) -> str:
    return " ".join(name.strip("_").split("_"))
