"""The specification between the prompt and the code: everything in it is either machine-checkable or a named hole."""

import ast
import keyword
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from functions.literal_patterns import ANY_LITERAL, literal_pattern

Effect = Literal["filesystem", "network", "clock", "randomness", "global_state", "process", "output"]
HoleKind = Literal["intent", "signature", "effect", "assertion", "implementation"]
Origin = Literal["prompt", "code", "user"]
TargetLanguage = Literal["python", "typescript"]
"""In which code is written; a specification's own notation is Python's."""

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MOST_EXAMPLES = 3
"""That a model writes of its own."""
# The holes without which it is not known what to write; others are questions that code can be written under.
BLOCKING: frozenset[HoleKind] = frozenset({"intent", "signature"})
LEFT_TO_CODE = "any"
"""The answer to a question that has no suggestion to take: it decides nothing."""


def _identifier(name: str) -> str:
    if not name.isidentifier() or keyword.iskeyword(name):
        raise ValueError(f"{name!r} is not a name that Python allows")
    return name


def _expression(text: str) -> str:
    try:
        ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text[:80]!r} is not a Python expression: {error}") from None
    return text.strip()


LONGEST_NAME = 100
Identifier = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(_identifier)]
Expression = Annotated[str, Field(min_length=1, max_length=2_000), AfterValidator(_expression)]
LONGEST_SENTENCE = 4_000
Sentence = Annotated[str, Field(max_length=LONGEST_SENTENCE)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Intent(_Part):
    """What the function is for, and why: of what was asked for in words, the words."""

    summary: Sentence
    rationale: Sentence = ""


class Parameter(_Part):
    """One parameter; `type` and `default` are Python expressions."""

    name: Identifier
    type: Expression
    description: Sentence = ""
    default: Expression | None = None


class Signature(_Part):
    """The function's head. `raises` names exception classes."""

    name: Identifier
    parameters: Annotated[list[Parameter], Field(max_length=20)] = []
    returns: Expression = "None"
    raises: Annotated[list[Expression], Field(max_length=10)] = []

    def to_source(self) -> str:
        """As one line of Python, without the colon: `def add(a: int, b: int = 0) -> int`."""
        parameters = ", ".join(
            f"{p.name}: {p.type}" if p.default is None else f"{p.name}: {p.type} = {p.default}" for p in self.parameters
        )
        return f"def {self.name}({parameters}) -> {self.returns}"


class Assertion(_Part):
    """A predicate over the parameters and `result`, as a Python expression."""

    expression: Expression
    rationale: Sentence = ""


class Example(_Part):
    """One call and what comes of it: `arguments` in the parameters' order, `result` a literal, or `raises` a class."""

    arguments: Annotated[list[Expression], Field(max_length=20)] = []
    result: Expression | None = None
    raises: Expression | None = None


class Hole(_Part):
    """An open question. It is open until `answer` is given."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    kind: HoleKind
    question: Sentence
    expected_type: Annotated[str, Field(max_length=200)] = "text"
    suggestions: Annotated[list[Sentence], Field(max_length=10)] = []
    answer: Any = None


class Provenance(_Part):
    """Who or what said a clause, and how sure that is."""

    source: Literal["model", "user", "code", "check"]
    confidence: Annotated[float, Field(ge=0, le=1)] = 1.0


class Metadata(_Part):
    """Where the specification comes from. `provenance` is by JSON pointer of the clause."""

    language: TargetLanguage = "python"
    origin: Origin = "user"
    model: str | None = None
    prompt_version: str | None = None
    created_at: datetime = Field(default_factory=lambda: datetime.now(UTC))
    provenance: dict[str, Provenance] = {}


class IntermediateRepresentation(_Part):
    """The whole specification of one function."""

    intent: Intent
    signature: Signature
    effects: Annotated[list[Effect], Field(description="what it may touch; empty means pure")] = []
    assertions: Annotated[list[Assertion], Field(max_length=50)] = []
    examples: Annotated[list[Example], Field(max_length=50)] = []
    holes: Annotated[list[Hole], Field(max_length=50)] = []
    constraints: Annotated[list[dict[str, Any]], Field(max_length=1_000)] = []
    metadata: Metadata = Field(default_factory=Metadata)

    @property
    def open_holes(self) -> list[Hole]:
        """Those that must be answered before there is something to implement."""
        return [hole for hole in self.holes if hole.answer is None and hole.kind in BLOCKING]

    @property
    def guesses(self) -> frozenset[str]:
        """JSON pointers of the clauses that a model has made up, and of which no one has said that they are right."""
        return frozenset(clause for clause, known in self.metadata.provenance.items() if known.source == "model")


def ir_schema() -> dict[str, Any]:
    """The published JSON Schema (draft 2020-12): every stored IR validates against it."""
    return {"$schema": DIALECT, **IntermediateRepresentation.model_json_schema(mode="serialization")}


def assume_first_suggestions(ir: IntermediateRepresentation) -> IntermediateRepresentation:
    """Answer every open hole by its first suggestion; one without any is answered by leaving it to the code."""
    holes = [
        hole
        if hole.answer is not None
        else hole.model_copy(update={"answer": next(iter(hole.suggestions), LEFT_TO_CODE)})
        for hole in ir.holes
    ]
    return ir.model_copy(update={"holes": holes})


def renamed(ir: IntermediateRepresentation, name: str) -> IntermediateRepresentation:
    """The same of a function of that name; a name that the IR does not allow leaves it as it is."""
    if not name.isidentifier() or keyword.iskeyword(name) or len(name) > LONGEST_NAME:
        return ir
    return ir.model_copy(update={"signature": ir.signature.model_copy(update={"name": name})})


def decoding_schema(
    head: Signature | None = None, open_types: Collection[str] = (), *, examples: int = MOST_EXAMPLES
) -> dict[str, Any]:
    """What a model is made to write: the IR without what a program knows better, every text and list bounded.

    A small model that loops ends at a bound. Properties are written in the order of thinking: what for, then the head,
    then examples of it, and what is left open last. Of a `head` that is known only the types of `open_types` are asked
    for (parameters' names, and "returns"), and examples are written in its types.
    """
    properties = {
        "summary": _text(160),
        **(_HEAD if head is None else _rest_of(head, open_types)),
        "raises": _array({"enum": list(_EXCEPTIONS)}, 2),
        "effects": _array({"enum": list(Effect.__args__)}, 2),  # type: ignore[attr-defined] # of a Literal
        "examples": _array(_ANY_EXAMPLE if head is None else _example_of(head, open_types), examples),
        "assertions": _array(_text(80), 2),
        "questions": _array(
            _record(about={"enum": ["intent", "signature"]}, question=_text(100), suggestions=_array(_text(50), 3)), 2
        ),
    }
    if examples == 0:
        del properties["examples"]
    return {**_record(**properties), "x-guidance": _SPACING}


# Patterns are searched for in a string unless they are anchored (JSON Schema 2020-12, core 6.3.3).
_SCALAR_TYPE = "(int|float|str|bool|bytes|object)"
_INNER_TYPE = (
    rf"({_SCALAR_TYPE}|(list|set)\[{_SCALAR_TYPE}\]|dict\[(str|int), {_SCALAR_TYPE}\]"
    rf"|tuple\[{_SCALAR_TYPE}(, {_SCALAR_TYPE}){{0,2}}\])"
)
_ANY_TYPE = rf"({_INNER_TYPE}|list\[{_INNER_TYPE}\]|dict\[(str|int), {_INNER_TYPE}\]|tuple\[{_SCALAR_TYPE}, \.\.\.\])"
_EXCEPTIONS = ("ValueError", "TypeError", "KeyError", "IndexError", "ZeroDivisionError")
_NAME = "^[a-z][a-z0-9]{0,15}(_[a-z0-9]{1,15}){0,4}$"
_TYPE = rf"^{_ANY_TYPE}( \| None)?$"
_LITERAL = rf"^{ANY_LITERAL}$"
_SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def _text(most: int) -> dict[str, Any]:
    return {"type": "string", "pattern": rf"^[^\x00-\x1f\x7f\"\\]{{1,{most}}}$"}


def _array(items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "maxItems": most}


def _record(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _result(pattern: str) -> dict[str, Any]:
    return {"type": "string", "pattern": rf"^({pattern}|raises ({'|'.join(_EXCEPTIONS)}))$"}


def _parameter(name: dict[str, Any]) -> dict[str, Any]:
    return _record(name=name, type={"type": "string", "pattern": _TYPE})


def _tuple(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "array", "prefixItems": items, "items": False, "minItems": len(items), "maxItems": len(items)}


def _rest_of(head: Signature, open_types: Collection[str]) -> dict[str, Any]:
    names = [parameter.name for parameter in head.parameters if parameter.name in open_types]
    parameters = {"parameters": _tuple([_parameter({"const": name}) for name in names])} if names else {}
    returns = {"returns": {"type": "string", "pattern": _TYPE}} if "returns" in open_types else {}
    return parameters | returns


def _example_of(head: Signature, open_types: Collection[str]) -> dict[str, Any]:
    types = [(parameter.name, parameter.type) for parameter in head.parameters] + [("returns", head.returns)]
    *arguments, result = (ANY_LITERAL if name in open_types else literal_pattern(kind) for name, kind in types)
    fixed = [{"type": "string", "pattern": f"^{pattern}$"} for pattern in arguments]
    return _record(arguments=_tuple(fixed), result=_result(result))


_HEAD = {
    "name": {"type": "string", "pattern": _NAME},
    "parameters": _array(_parameter({"type": "string", "pattern": _NAME}), 4),
    "returns": {"type": "string", "pattern": _TYPE},
}
_ANY_EXAMPLE = _record(arguments=_array({"type": "string", "pattern": _LITERAL}, 4), result=_result(ANY_LITERAL))


def clauses(ir: IntermediateRepresentation) -> Iterator[str]:
    """JSON pointers of the clauses that have a provenance of their own."""
    yield "/intent"
    yield "/signature"
    yield from (f"/assertions/{i}" for i in range(len(ir.assertions)))
    yield from (f"/examples/{i}" for i in range(len(ir.examples)))
