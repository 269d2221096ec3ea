"""The way forward: words to a specification, a specification to code. Everything the model writes is checked here."""

import ast
import json
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from functions.checked_generation import in_all
from functions.constraints.compilation import Compiled, ConstraintCompiler
from functions.constraints.model import ConstraintSet, SignatureRule, StatedConstraint
from functions.constraints.reading import named_apart, read_constraint_set
from functions.failures import GenerationCut, Refused
from functions.generation import (
    CandidateFinished,
    Constraint,
    Delta,
    EngineClient,
    Finished,
    FinishReason,
    GenerationRequest,
    Message,
    Sampling,
    Timing,
    Usage,
)
from functions.ir import IntermediateRepresentation, Metadata, Provenance, clauses, decoding_schema
from functions.prompting import load_prompt, repair_text, specification_text
from functions.sandbox import Sandbox
from functions.specification_checks import checked_ir
from functions.verification import Evidence, verify
from infra.settings import Settings

SPECIFY = "specify.v1"
IMPLEMENT = "implement.v1"
# A sampled specification is a guess; one that is checked is still the model's.
MODEL_CONFIDENCE = 0.5
# One candidate is written as likely as possible; several have to differ.
SEVERAL_TEMPERATURE = 0.8

Progress = Callable[[str, dict[str, Any]], Awaitable[None]]


async def _silent(_stage: str, _data: dict[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Specified:
    """A specification out of words, and what it took."""

    ir: IntermediateRepresentation
    usage: Usage
    timing: Timing


@dataclass(frozen=True)
class Candidate:
    """One attempt with its fate."""

    code: str
    finish_reason: FinishReason
    evidence: Evidence
    round: int
    verification_s: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """For answers and storage."""
        checks = [check.as_json() for check in self.evidence.checks]
        return {
            "code": self.code,
            "passed": self.evidence.passed,
            "finish_reason": self.finish_reason,
            "round": self.round,
            "checks": checks,
        }


@dataclass(frozen=True)
class Implemented:
    """The best candidate, all others, and what they took."""

    code: str
    passed: bool
    candidates: list[Candidate]
    usage: Usage
    timing: Timing
    prompt_version: str = IMPLEMENT

    @property
    def evidence(self) -> dict[str, Any]:
        """The winner's checks, and how many there were to choose from."""
        best = next(candidate for candidate in self.candidates if candidate.code == self.code)
        return {**best.as_json(), "candidates": len(self.candidates), "prompt_version": self.prompt_version}


@dataclass
class _Written:
    """What one request to the engine gave, candidate by candidate."""

    texts: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, FinishReason] = field(default_factory=dict)
    finished: Finished | None = None


class Forward:
    """Both steps, over any engine and any sandbox."""

    def __init__(
        self, engine: EngineClient, compiler: ConstraintCompiler, sandbox: Sandbox, settings: Settings
    ) -> None:
        self._engine = engine
        self._compiler = compiler
        self._sandbox = sandbox
        self._settings = settings

    async def specify(self, prompt: str, *, language: str = "python", progress: Progress = _silent) -> Specified:
        """Words to an IR that validates against its schema; what the words leave open, or the checks find, is a hole.

        Raises `Refused` for an empty prompt, `PromptTooLong`, `GenerationCut`, `EngineUnavailable`.
        """
        if not prompt.strip():
            raise Refused("/prompt", "the prompt is empty; say in plain words what the function should do")
        if language != "python":
            raise Refused("/language", f"{language!r} cannot be written yet; 'python' can")
        await progress("specifying", {"prompt_version": SPECIFY})
        shots = load_prompt(SPECIFY)
        constraint = Constraint.of("json_schema", decoding_schema())
        sampling = self._sampling(temperature=0.0)
        written = await self._write(shots.messages(prompt.strip()), sampling, constraint, progress)
        if written.reasons.get(0) != "stop" or written.finished is None:
            raise GenerationCut("the specification", sampling.max_tokens)
        metadata = Metadata(origin="prompt", model=self._settings.engine.model, prompt_version=SPECIFY)
        ir = checked_ir(json.loads(written.texts[0]), metadata)
        provenance = {clause: Provenance(source="model", confidence=MODEL_CONFIDENCE) for clause in clauses(ir)}
        ir = ir.model_copy(update={"metadata": ir.metadata.model_copy(update={"provenance": provenance})})
        return Specified(ir, written.finished.usage, written.finished.timing)

    async def implement(
        self,
        ir: IntermediateRepresentation,
        *,
        constraints: dict[str, Any] | None = None,
        candidates: int = 1,
        repairs: int = 1,
        progress: Progress = _silent,
    ) -> Implemented:
        """An IR to one Python function: its head forced by the grammar, its behaviour checked in the sandbox.

        `candidates` are written in one batch; when none passes, up to `repairs` further rounds are told what failed.
        Stops at the first that passes everything. A candidate that was cut is never chosen over a whole one. Raises
        `ConstraintRefused`, `ConstraintsConflict`, `PromptTooLong`, `EngineUnavailable`, and `GenerationCut` when every
        candidate was cut.
        """
        rules = await self._compiled(ir, constraints)
        messages = load_prompt(IMPLEMENT).messages("\n".join([specification_text(ir), *rules.prompt]))
        tried: list[Candidate] = []
        spent: list[Finished] = []
        for number in range(1 + repairs):
            await progress("implementing", {"round": number, "candidates": candidates})
            several = candidates > 1 or number > 0
            sampling = self._sampling(n=candidates, temperature=SEVERAL_TEMPERATURE if several else 0.0)
            written = await self._write(messages, sampling, rules.constraint, progress)
            if written.finished is not None:
                spent.append(written.finished)
            for index, text in sorted(written.texts.items()):
                candidate = await self._judge(text, written.reasons.get(index, "abort"), ir, rules, number)
                tried.append(candidate)
                await progress("candidate", candidate.as_json())
            best = max(tried, key=lambda c: (c.finish_reason == "stop", c.evidence.score))
            if best.evidence.passed:
                break
            repair = repair_text(ir, best.code, best.evidence.failures)
            messages = load_prompt(IMPLEMENT).messages(repair)
        if best.finish_reason != "stop":
            raise GenerationCut("the code", sampling.max_tokens)
        usage, timing = in_all(spent)
        timing = timing.model_copy(update={"sandbox_s": sum(candidate.verification_s for candidate in tried)})
        return Implemented(best.code, best.evidence.passed, tried, usage, timing)

    async def _compiled(self, ir: IntermediateRepresentation, constraints: Any) -> Compiled:
        """The IR's own constraints and those of the request, with the head that the signature forces."""
        given = read_constraint_set(constraints if constraints is not None else [])
        own = read_constraint_set(list(ir.constraints), pointer="/ir/constraints")
        head = StatedConstraint(
            name="signature",
            rule=SignatureRule(type="signature", signature=ir.signature.to_source()),
            place="/ir/signature",
        )
        together = ConstraintSet(
            constraints=tuple(named_apart([head, *own.constraints, *given.constraints])),
            warnings=(*own.warnings, *given.warnings),
        )
        return await self._compiler.compile(together, "python", is_code=True)

    async def _judge(
        self, text: str, reason: FinishReason, ir: IntermediateRepresentation, rules: Compiled, number: int
    ) -> Candidate:
        code = canonical(text)
        evidence = Evidence()
        if reason == "stop":
            (violations,) = await self._compiler.violations([code], rules)
            began = time.monotonic()
            evidence = await verify(code, ir, self._sandbox, violations)
            return Candidate(code, reason, evidence, number, time.monotonic() - began)
        return Candidate(code, reason, evidence, number)

    async def _write(
        self, messages: tuple[Message, ...], sampling: Sampling, constraint: Constraint | None, progress: Progress
    ) -> _Written:
        request = GenerationRequest(
            id=f"forward-{uuid.uuid4()}",
            messages=messages,
            sampling=sampling,
            constraint=constraint,
            timeout_s=self._settings.generation.timeout_s,
        )
        written = _Written()
        async for event in self._engine.generate(request):
            match event:
                case Delta(index=index, text=text):
                    written.texts[index] = written.texts.get(index, "") + text
                    await progress("delta", {"index": index, "text": text})
                case CandidateFinished(index=index, finish_reason=reason):
                    written.reasons[index] = reason
                case Finished():
                    written.finished = event
        return written

    def _sampling(self, *, temperature: float, n: int = 1) -> Sampling:
        return Sampling(max_tokens=self._settings.generation.max_tokens, temperature=temperature, n=n)


def canonical(code: str) -> str:
    """As `ast.unparse` would not: the text as written, without space at its ends; unparsable text stays as it is."""
    try:
        ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code
    return code.strip() + "\n"
