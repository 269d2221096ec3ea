"""A constraint set to the one artifact that the decoder enforces, with a report on every constraint.

Nothing is answered that was not tried: llguidance builds the artifact with the engine's tokenizer in a limited child
process, some text satisfies it, good examples are accepted and bad ones refused. What cannot hold together is proved
so, by a set of constraints from which none can be left out.
"""

import asyncio
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

from functions.cache import Cache, Store
from functions.constraints.artifact import CODE, Base, formats
from functions.constraints.conflicts import Contradiction
from functions.constraints.digests import compilation_digest, compiler_version, packed, unpacked
from functions.constraints.judging import judge
from functions.constraints.model import ConstraintSet, Language, StatedConstraint
from functions.constraints.reading import read_constraint_set
from functions.constraints.refutation import Attempt
from functions.constraints.report import Row, report
from functions.constraints.requirements import Requirements
from functions.constraints.violations import LANGUAGE, Violation
from functions.failures import ConstraintRefused, ConstraintsConflict, Refused, UnknownDigest
from functions.generation import Constraint
from functions.validation import ConstraintValidator
from infra import telemetry
from infra import telemetry_names as names

MODULES = ("functions.constraints.examples",)
"""What the validator's processes must have imported before they are given this module's work."""
WEEK_S = 7 * 24 * 3600.0
KEPT = 512
"""Compiled sets that a process keeps; one of 10,000 constraints takes about 5 MB."""
MOST_RESOLUTIONS = 100
TEXTS_AT_ONCE = 8
"""Of one request: a thousand texts would fill the queue in which everybody's constraints wait."""
Progress = Callable[[str, int], Awaitable[None]]
"""Told the stage, and how much is done in percent."""
_SEVERITIES = ("hint", "info", "warning", "error")


@dataclass(frozen=True)
class Timing:
    """Seconds: all of it; llguidance's building of the artifact; its first mask."""

    total_s: float
    build_s: float
    first_mask_s: float


@dataclass(frozen=True)
class Compiled:
    """What a set was compiled to. `constraint` is for the engine; None when nothing is enforced while decoding.

    `requirements` are those that hold: without the constraints that gave way. `sizes` are the artifact's: bytes, and
    `states`, the alternatives of its grammar.
    """

    digest: str
    language: Language
    base: Base
    constraint: Constraint | None
    requirements: Requirements
    report: tuple[Row, ...]
    prompt: tuple[str, ...]
    warnings: tuple[str, ...]
    sizes: dict[str, int]
    timing: Timing
    cached: bool = False

    @property
    def artifacts(self) -> dict[str, Any]:
        """By format: `grammar`, `json-schema`, `regex`."""
        return formats(self.constraint)

    @property
    def has_checks(self) -> bool:
        """Whether something is left to be checked on the finished text."""
        return any(row.enforced == "after" for row in self.report)


class ConstraintCompiler:
    """Compiles for one model, whose tokenizer the validator has. Equal sets are compiled once.

    `store`, which processes may share, keeps the sets that digests stand for.
    """

    def __init__(self, validator: ConstraintValidator, store: Store) -> None:
        self._validator = validator
        self._shared = Cache(store, name="constraint-sets", version=compiler_version(), max_age_s=WEEK_S)
        self._kept: OrderedDict[str, Compiled] = OrderedDict()
        self._read: OrderedDict[bytes, str] = OrderedDict()

    async def compile(
        self,
        stated: ConstraintSet,
        language: Language = "python",
        *,
        is_code: bool = False,
        optimize: bool = True,
        progress: Progress | None = None,
    ) -> Compiled:
        """Raises `ConstraintRefused` with a pointer, `ConstraintsConflict`, `Unavailable`.

        `is_code`: a text without any rule about code is code in `language`, too. `progress` is told of each stage.
        """
        content = packed(stated, language, is_code=is_code, optimize=optimize)
        digest = compilation_digest(content, self._validator.tokenizer_digest)
        if digest in self._kept:
            return self._again(digest)
        if progress is not None:
            await progress("compiling", 30)
        telemetry.instruments().cache_lookups.add(1, {names.CACHE: names.COMPILED_SETS, names.HIT: False})
        with telemetry.span(names.COMPILE, {names.CONSTRAINTS: len(stated.constraints)}):
            compiled = await self._compiled(digest, stated, language, is_code=is_code, optimize=optimize)
        if progress is not None:
            await progress("verified", 90)
        self._keep(compiled)
        await self._shared.put(digest, content)
        return compiled

    async def compile_json(
        self,
        data: Any,
        language: Language | None = None,
        *,
        pointer: str = "",
        optimize: bool = True,
        progress: Progress | None = None,
    ) -> Compiled:
        """Read a set in parsed JSON and compile it. One that was read before is not even read again.

        A `language` that is named, here or in the set, makes the text code in it, also where no rule says so.
        `pointer` is where the set stands in the request. Raises as `read_constraint_set` and `compile` do.
        """
        named = language or _language_of(data, pointer)
        text = json.dumps([data, named, optimize], ensure_ascii=False).encode(errors="surrogatepass")
        key = hashlib.sha256(text).digest()
        known = self._read.get(key)
        if known is not None and known in self._kept:
            self._read.move_to_end(key)
            return self._again(known)
        stated = read_constraint_set(data, pointer=pointer, language=named or "python")
        compiled = await self.compile(
            stated, named or "python", is_code=named in CODE, optimize=optimize, progress=progress
        )
        self._read[key] = compiled.digest
        while len(self._read) > KEPT:
            self._read.popitem(last=False)
        return compiled

    async def find(self, digest: str) -> Compiled:
        """What was compiled to this digest, here or in another container. Raises `UnknownDigest`."""
        if digest in self._kept:
            return self._again(digest)
        kept = await self._shared.get(digest)
        if kept is None:
            raise UnknownDigest(f"compiled constraint set {digest[:80]!r} (compile it again: they are kept for a week)")
        stated, language, is_code, optimize = unpacked(kept)
        return await self.compile(stated, language, is_code=is_code, optimize=optimize)

    async def given(
        self, constraints: Any, digest: str | None, *, language: Language | None = None, pointer: str = "/constraints"
    ) -> Compiled | None:
        """What a request asks for by a constraint set or by the digest of one; None when by neither.

        Raises as `compile_json` and `find` do, and `Refused` for both.
        """
        if constraints is None:
            return None if digest is None else await self.find(digest)
        if digest is not None:
            raise Refused("/digest", "give constraints or a digest, not both")
        return await self.compile_json(constraints, language, pointer=pointer)

    async def violations(self, texts: Sequence[str], compiled: Compiled) -> list[list[Violation]]:
        """What each text breaks: each is judged with its own limits. A text that exceeds them breaks that."""
        turns = asyncio.Semaphore(TEXTS_AT_ONCE)

        async def in_turn(text: str) -> list[Violation]:
            async with turns:
                return await self._judged(text, compiled)

        tasks = [asyncio.ensure_future(in_turn(text)) for text in texts]
        try:
            return list(await asyncio.gather(*tasks))
        finally:
            for task in tasks:
                task.cancel()

    async def _judged(self, text: str, compiled: Compiled) -> list[Violation]:
        try:
            judged: list[list[Violation]] = await self._validator.run_limited(
                judge, [text], compiled.requirements, compiled.language
            )
        except ConstraintRefused as refused:
            return [Violation(LANGUAGE, 1, 1, f"it cannot be checked: {refused.reason}")]
        return judged[0]

    def _again(self, digest: str) -> Compiled:
        self._kept.move_to_end(digest)
        telemetry.instruments().cache_lookups.add(1, {names.CACHE: names.COMPILED_SETS, names.HIT: True})
        return replace(self._kept[digest], cached=True)

    def _keep(self, compiled: Compiled) -> None:
        self._kept[compiled.digest] = compiled
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    async def _compiled(
        self, digest: str, stated: ConstraintSet, language: Language, *, is_code: bool, optimize: bool
    ) -> Compiled:
        started = time.perf_counter()
        held = list(stated.constraints)
        dropped: dict[str, str] = {}
        attempt = Attempt(self._validator, language, is_code=is_code, optimize=optimize)
        while (found := await attempt.refuted(held)) is not None:
            weakest = _weakest(found, held)
            if weakest is None or len(dropped) >= MOST_RESOLUTIONS:
                raise ConstraintsConflict(found.why, {"conflict": list(found.constraints)})
            others = ", ".join(name for name in found.constraints if name != weakest)
            dropped[weakest] = f"it gave way to {others}: {found.why}" if others else found.why
            held = [constraint for constraint in held if constraint.name != weakest]
        made, figures = attempt.artifact, attempt.figures
        source = made.constraint.source if made.constraint else ""
        return Compiled(
            digest=digest,
            language=attempt.language,
            base=made.base,
            constraint=made.constraint,
            requirements=attempt.requirements,
            report=tuple(report(stated.constraints, dropped, made.base, language)),
            prompt=tuple(c.description for c in held if c.description and (c.rule is None or c.inferred)),
            warnings=(*stated.warnings, *(figures.warnings if figures else ())),
            sizes={"bytes": len(source.encode()), "states": source.count("\n") + source.count(" | ") + bool(source)},
            timing=Timing(
                time.perf_counter() - started,
                figures.compile_s if figures else 0.0,
                figures.first_mask_s if figures else 0.0,
            ),
        )


def _language_of(data: Any, pointer: str) -> Language | None:
    """What the set itself says."""
    named = data.get("language") if isinstance(data, Mapping) else None
    for language in get_args(Language):
        if named == language:
            return cast("Language", language)
    if named is not None:
        raise ConstraintRefused(f"{pointer}/language", f"it is one of {', '.join(get_args(Language))}")
    return None


def _weakest(found: Contradiction, held: Sequence[StatedConstraint]) -> str | None:
    """Which of the constraints gives way: never one whose violation is an error."""
    among = [c for c in held if c.name in found.constraints and c.severity != "error"]
    if not among:
        return None
    return min(among, key=lambda c: (_SEVERITIES.index(c.severity), c.priority, c.confidence)).name
