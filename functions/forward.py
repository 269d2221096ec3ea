"""The way forward: words to a specification, a specification to code. Everything the model writes is checked here."""

import ast
import asyncio
import io
import json
import tokenize
import uuid
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from functions.cache import Store
from functions.candidate_round import CandidateRound, Draft, Progress
from functions.candidates import WITNESSES, Candidate, Implemented, best_of, borne_out, in_doubt, with_doubts
from functions.checked_generation import together
from functions.code_fences import fenced
from functions.constraints.compilation import Compiled, ConstraintCompiler
from functions.constraints.model import ConstraintSet, SignatureRule, StatedConstraint
from functions.constraints.reading import named_apart, read_constraint_set
from functions.evidence import Evidence
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
from functions.ir import IntermediateRepresentation, Metadata, TargetLanguage
from functions.own_tests import OwnTests
from functions.prompt_choice import chosen_prompt, record_candidates, record_prompt
from functions.sandbox import Sandbox
from functions.specification_checks import checked_ir, schema_for
from functions.stated import stated
from functions.type_checks import TypeChecker
from functions.typescript_verification import verify_typescript
from functions.typescript_writing import as_typescript, typescript_head
from functions.verifier import Verifier
from functions.voices import Turn, turns, voices_for
from infra.settings import Settings


async def _silent(_stage: str, _data: dict[str, Any]) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Specified:
    """A specification out of words, and what it took."""

    ir: IntermediateRepresentation
    usage: Usage
    timing: Timing


@dataclass
class _Written:
    """What one request to the engine gave, candidate by candidate."""

    texts: dict[int, str] = field(default_factory=dict)
    reasons: dict[int, FinishReason] = field(default_factory=dict)
    finished: Finished | None = None


class Forward:
    """Both steps, over any engine and any sandbox."""

    def __init__(
        self,
        engine: EngineClient,
        compiler: ConstraintCompiler,
        sandbox: Sandbox,
        settings: Settings,
        *,
        types: TypeChecker | None = None,
        store: Store | None = None,
    ) -> None:
        """Without `types` no candidate's types are checked; without `store` no verdict is kept."""
        self._engine = engine
        self._compiler = compiler
        self._verifier = Verifier(sandbox, types=types, store=store)
        self._settings = settings

    async def specify(
        self, prompt: str, *, language: TargetLanguage = "python", progress: Progress = _silent
    ) -> Specified:
        """Words to an IR that validates against its schema; what the words leave open, or the checks find, is a hole.

        Raises `Refused` for an empty prompt, `PromptTooLong`, `GenerationCut`, `EngineUnavailable`.
        """
        if not prompt.strip():
            raise Refused("/prompt", "the prompt is empty; say in plain words what the function should do")
        shots = chosen_prompt(self._settings.prompts.specify, prompt.strip())
        await progress("specifying", {"prompt_version": shots.version})
        said = stated(prompt)
        constraint = Constraint.of("json_schema", schema_for(said))
        sampling = self._sampling(temperature=0.0)
        written = await self._write(shots.messages(prompt.strip()), sampling, constraint, progress)
        if written.reasons.get(0) != "stop" or written.finished is None:
            record_prompt(shots.version, "cut")
            raise GenerationCut("the specification", sampling.max_tokens)
        record_prompt(shots.version, "made", written.finished.usage.completion_tokens, written.finished.timing)
        model = self._settings.engine.model
        metadata = Metadata(language=language, origin="prompt", model=model, prompt_version=shots.version)
        ir = checked_ir(json.loads(written.texts[0]), metadata, said, words=prompt.strip())
        ir = as_typescript(ir) if language == "typescript" else ir
        return Specified(ir, written.finished.usage, written.finished.timing)

    async def implement(
        self,
        ir: IntermediateRepresentation,
        *,
        constraints: dict[str, Any] | None = None,
        tests: OwnTests | None = None,
        candidates: int = 1,
        repairs: int = 1,
        progress: Progress = _silent,
    ) -> Implemented:
        """An IR to one function: its head forced by the grammar, what Python does checked in the sandbox.

        `candidates` are written side by side, by the prompts in turn (`voices`), and checked as each is finished; some
        that pass everything and do the same end the others (`settled`). When the best of them breaks what
        is certain, up to `repairs` further rounds are told how; what only breaks a model's guess may be right, and is
        chosen by how many agree. Where all of them break a guess (`in_doubt`) one such round is shown the guesses, and
        taken from if it bears them out (`borne_out`). A candidate that was cut is never chosen over a whole one. Raises
        `ConstraintRefused`, `ConstraintsConflict`, `PromptTooLong`, `EngineUnavailable`, and `GenerationCut` when every
        candidate was cut.
        """
        rules = await self._compiled(ir, constraints)
        is_python = ir.metadata.language == "python"
        if is_python:
            self._verifier.start()
        check = self._check(ir, rules, tests)
        voices = voices_for(ir, rules.prompt, self._settings.prompts)
        failed: Candidate | None = None
        tried: list[Candidate] = []
        rounds: list[CandidateRound] = []

        async def next_round(dealt: Iterable[Turn], *, shown_guesses: bool = False) -> None:
            number = len(rounds)
            drafts = [self._draft(turn, failed, rules) for turn in dealt]
            written = sum(draft.request.sampling.n for draft in drafts)
            await progress("implementing", {"round": number, "candidates": written})
            as_kept = canonical if is_python else _without_edges
            one = CandidateRound(self._engine, check, as_kept, progress, number, shown_guesses=shown_guesses)
            rounds.append(one)
            tried.extend(await one.run(drafts))

        for number in range(1 + repairs):
            await next_round(turns(voices, candidates, number))
            best = best_of(tried)
            if best.evidence.sound:
                break
            failed = best
        if len(rounds) <= repairs and in_doubt(best, tried):
            shown = voices_for(ir, rules.prompt, self._settings.prompts, guesses=True)
            await next_round(turns(shown, max(WITNESSES, candidates // 2), 0), shown_guesses=True)
            best = next((one for one in tried if borne_out(one, tried)), best)
        usage, timing = together([(one.usage, one.timing) for one in rounds])
        record_candidates(tried, timing)
        if best.finish_reason != "stop":
            raise GenerationCut("the code", self._settings.generation.max_tokens)
        timing = timing.model_copy(update={"sandbox_s": sum(candidate.verification_s for candidate in tried)})
        return Implemented(with_doubts(best, tried), tried, usage, timing)

    def _draft(self, turn: Turn, failed: Candidate | None, rules: Compiled) -> Draft:
        sampling = self._sampling(temperature=turn.temperature, n=turn.number)
        request = self._request(turn.voice.messages(failed if turn.told else None), sampling, rules.constraint)
        # The other prompts show in their examples how an answer begins; a user's own grammar stays as it is.
        if turn.voice.prompt.takes_request and rules.base == "code":
            request = fenced(request, rules.language)
        return Draft(request, turn.voice.prompt.version)

    async def _compiled(self, ir: IntermediateRepresentation, constraints: Any) -> Compiled:
        """The IR's own constraints and those of the request, with the head that the signature forces."""
        given = read_constraint_set(constraints if constraints is not None else [])
        own = read_constraint_set(list(ir.constraints), pointer="/ir/constraints")
        language = ir.metadata.language
        head_of = ir.signature.to_source() if language == "python" else typescript_head(ir)
        head = StatedConstraint(
            name="signature",
            rule=SignatureRule(type="signature", signature=head_of),
            place="/ir/signature",
        )
        together = ConstraintSet(
            constraints=tuple(named_apart([head, *own.constraints, *given.constraints])),
            warnings=(*own.warnings, *given.warnings),
        )
        return await self._compiler.compile(together, language, is_code=True)

    def _check(
        self, ir: IntermediateRepresentation, rules: Compiled, tests: OwnTests | None
    ) -> Callable[[str], Awaitable[Evidence]]:
        """Of a candidate's code; candidates of one request that are the same text are checked together."""
        under_way: dict[str, asyncio.Task[Evidence]] = {}

        async def evidence(code: str) -> Evidence:
            (violations,) = await self._compiler.violations([code], rules)
            if ir.metadata.language == "typescript":
                return verify_typescript(code, ir, violations, tests)
            return await self._verifier.evidence(code, ir, violations, tests)

        async def check(code: str) -> Evidence:
            if code not in under_way:
                under_way[code] = asyncio.create_task(evidence(code))
            return await under_way[code]

        return check

    async def _write(
        self, messages: tuple[Message, ...], sampling: Sampling, constraint: Constraint | None, progress: Progress
    ) -> _Written:
        request = self._request(messages, sampling, constraint)
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

    def _request(
        self, messages: tuple[Message, ...], sampling: Sampling, constraint: Constraint | None
    ) -> GenerationRequest:
        return GenerationRequest(
            id=f"forward-{uuid.uuid4()}",
            messages=messages,
            sampling=sampling,
            constraint=constraint,
            timeout_s=self._settings.generation.timeout_s,
        )

    def _sampling(self, *, temperature: float, n: int = 1) -> Sampling:
        return Sampling(max_tokens=self._settings.generation.max_tokens, temperature=temperature, n=n)


def _without_edges(code: str) -> str:
    return code.strip() + "\n"


def canonical(code: str) -> str:
    """As `ast.unparse` would not: the text as written, without space at its ends and in its empty lines.

    Models write such space after an empty line more often than not, and so they may. Unparsable text stays as it is.
    """
    text = code.strip()
    try:
        ast.parse(text)
        kept = _of_strings(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return code
    lines = (line if line.strip() or number in kept else "" for number, line in enumerate(text.split("\n")))
    return "\n".join(lines) + "\n"


def _of_strings(code: str) -> set[int]:
    """The lines, counted from 0, that stand between the first and the last one of a string."""
    inside: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type == tokenize.STRING:
            inside.update(range(token.start[0], token.end[0] - 1))
    return inside
