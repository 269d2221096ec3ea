"""Whether constraints can hold together: by looking at their rules, by llguidance, by the examples that were given."""

from collections.abc import Iterator, Sequence
from typing import Any

from functions.constraints.artifact import Artifact, artifact, language_of_text
from functions.constraints.conflicts import Contradiction, contradictions
from functions.constraints.examples import contradicted_example
from functions.constraints.model import Language, StatedConstraint
from functions.constraints.requirements import NAMING_PATTERNS, NamePattern, Requirements, composed
from functions.constraints.trial import empty_intersections, try_artifact
from functions.failures import ConstraintRefused
from functions.validation import ConstraintValidator
from functions.validation_trial import NOTHING_SATISFIES, Figures

_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"


class Attempt:
    """Tries of one compilation. After one that was not refuted it holds what came out of it."""

    def __init__(self, validator: ConstraintValidator, language: Language, *, is_code: bool, optimize: bool) -> None:
        self._validator = validator
        self._language = language
        self._is_code = is_code
        self._optimize = optimize
        self.requirements = Requirements()
        self.artifact = Artifact("nothing", None)
        self.figures: Figures | None = None

    async def refuted(self, held: Sequence[StatedConstraint]) -> Contradiction | None:
        """A proof that the constraints cannot hold together, or None.

        Raises `ConstraintRefused` for one that the decoder would not take, whatever the others are, and `Unavailable`.
        """
        self.requirements = composed(held, self._language, factored=self._optimize)
        found = next(contradictions(self.requirements, self._language), None) or await self._empty_naming()
        if found is not None:
            return found
        why = await self._unsatisfiable(self.requirements)
        if why is not None:
            return Contradiction(tuple(await self._minimal([c for c in held if c.rule is not None])), why)
        return await contradicted_example(self._validator, self.requirements, self.language, self.artifact)

    @property
    def language(self) -> Language:
        """The language of the texts that the constraints ask for."""
        return language_of_text(self.requirements, self._language, self.artifact.base, is_code=self._is_code)

    async def _unsatisfiable(self, requirements: Requirements) -> str | None:
        """Why nothing satisfies the requirements, None if something does."""
        try:
            self.artifact = artifact(requirements, self._language, is_code=self._is_code)
            self.figures = await self._tried(self.artifact)
        except ConstraintRefused as refused:
            if refused.reason.startswith(NOTHING_SATISFIES):
                return refused.reason
            raise _placed(refused, requirements) from None
        return None

    async def _tried(self, made: Artifact) -> Figures | None:
        if made.constraint is None:
            return None
        if made.base in {"lark", "schema"}:
            return (await self._validator.check(made.constraint)).figures
        figures: Figures = await self._validator.run_limited(try_artifact, made.constraint.kind, made.constraint.source)
        return figures

    async def _empty_naming(self) -> Contradiction | None:
        """Patterns for one kind of name that no name matches."""
        groups = list(_suspicious(self.requirements.naming))
        if not groups:
            return None
        patterns = [[_IDENTIFIER, *(p.pattern for p in group)] for _, group in groups]
        empty = await self._validator.run_limited(empty_intersections, patterns)
        for (role, group), is_empty in zip(groups, empty, strict=True):
            if is_empty:
                why = f"no name can match {' and '.join(p.pattern for p in group)}, as {role} must"
                return Contradiction.of(why, *(p.constraint for p in group))
        return None

    async def _minimal(self, constraints: list[StatedConstraint]) -> list[str]:
        """Constraints that nothing satisfies together, though something satisfies all of them without any one.

        QuickXplain (Junker, AAAI 2004): for k of n constraints about 2 k log(n / k) tries.
        """

        async def explain(
            background: list[StatedConstraint], part: list[StatedConstraint], *, grown: bool
        ) -> list[StatedConstraint]:
            requirements = composed(background, self._language, factored=self._optimize)
            if grown and await self._unsatisfiable(requirements) is not None:
                return []
            if len(part) <= 1:
                return part
            first, second = part[: len(part) // 2], part[len(part) // 2 :]
            of_second = await explain([*background, *first], second, grown=True)
            of_first = await explain([*background, *of_second], first, grown=bool(of_second))
            return [*of_first, *of_second]

        return [constraint.name for constraint in await explain([], constraints, grown=False)]


def _suspicious(naming: dict[str, list[NamePattern]]) -> Iterator[tuple[str, list[NamePattern]]]:
    """Each pattern that is not known to be satisfiable, and each pair of patterns for one role."""
    known = set(NAMING_PATTERNS.values())
    for role, patterns in naming.items():
        different = list({p.pattern: p for p in patterns}.values())
        yield from ((role, [p]) for p in different if p.pattern not in known)
        yield from ((role, [one, two]) for i, one in enumerate(different) for two in different[i + 1 :])


def _placed(refused: ConstraintRefused, requirements: Requirements) -> ConstraintRefused:
    """The refusal of what a user gave, with the place at which the user gave it."""
    if requirements.grammars:
        place = requirements.places.get(requirements.grammars[0][1], "") + "/rule/grammar"
    elif len(requirements.schemas) == 1:
        schema, name = requirements.schemas[0]
        place = requirements.places.get(name, "") + "/rule/schema" + _as_given(refused.pointer, schema)
    elif requirements.regexes:
        place = requirements.places.get(next(iter(requirements.regexes.values())), "") + "/rule/pattern"
    else:
        place = ""
    return ConstraintRefused(place, refused.reason)


def _as_given(pointer: str, schema: Any) -> str:
    """As far as a pointer leads in what was given, which refers to definitions that the artifact writes out."""
    reached = ""
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(schema, list) and name.isdecimal() and int(name) < len(schema):
            schema = schema[int(name)]
        elif isinstance(schema, dict) and name in schema:
            schema = schema[name]
        else:
            break
        reached += f"/{step}"
    return reached
