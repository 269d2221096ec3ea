"""What a request asks the text to be, as the one constraint that the decoder enforces."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StrictBool, StringConstraints, model_validator

from endpoints.openai.fields import Part
from endpoints.openai.tools import Offer
from functions.failures import ConstraintRefused, Refused
from functions.generation import Constraint, ConstraintKind
from functions.tool_calls import call_constraint, call_or_json

ANY_OBJECT = {"type": "object"}


class TextFormat(Part):
    """Anything."""

    type: Literal["text"]


class JsonObjectFormat(Part):
    """A JSON object of any shape."""

    type: Literal["json_object"]


class NamedSchema(Part):
    """A JSON schema with a name. The text is kept to it whether `strict` is said or not."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] = "schema"
    description: str | None = None
    schema_: dict[str, Any] = Field(alias="schema")
    strict: StrictBool | None = None


class JsonSchemaFormat(Part):
    """JSON that a schema accepts."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


class StructuralTagFormat(Part):
    """Free text with constrained parts, as vLLM has it."""

    type: Literal["structural_tag"]
    triggers: list[str]
    structures: list[dict[str, Any]]


ResponseFormat = Annotated[
    TextFormat | JsonObjectFormat | JsonSchemaFormat | StructuralTagFormat, Field(discriminator="type")
]

_KINDS: Mapping[str, ConstraintKind] = {
    "json": "json_schema",
    "regex": "regex",
    "choice": "choice",
    "grammar": "grammar",
    "json_object": "json_object",
    "structural_tag": "structural_tag",
}


class StructuredOutputs(Part):
    """vLLM's own constraints (`StructuredOutputsParams`), exactly one of them. A grammar is llguidance's Lark."""

    json_: str | dict[str, Any] | None = Field(default=None, alias="json", description="A JSON schema.")
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    json_object: StrictBool | None = None
    structural_tag: str | None = Field(default=None, description="JSON, with `triggers` and `structures`.")
    disable_any_whitespace: StrictBool = Field(default=True, description="Ignored: there is none in any case.")
    disable_additional_properties: StrictBool = Field(
        default=True, description="Ignored: there are none unless allowed."
    )
    whitespace_pattern: None = Field(default=None, description="Not taken: the decoder has no such pattern.")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = self._given()
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(_KINDS)}; these are {len(given)}")
        return self

    def constraint(self) -> tuple[str, Constraint]:
        """The field that holds it, and the constraint."""
        ((name, value),) = self._given().items()
        return name, Constraint.of(_KINDS[name], ANY_OBJECT if name == "json_object" else value)

    def _given(self) -> dict[str, Any]:
        values = {name: getattr(self, "json_" if name == "json" else name) for name in _KINDS}
        return {name: value for name, value in values.items() if value is not None and value is not False}


@dataclass(frozen=True)
class AskedConstraint:
    """A constraint, and where in the body its parts came from: `places` as in `engine_events.check_constraint`."""

    constraint: Constraint
    places: Mapping[str, str] = field(default_factory=lambda: {"": ""})


def asked_constraint(
    response_format: ResponseFormat | None, structured_outputs: StructuredOutputs | None, offer: Offer | None
) -> AskedConstraint | None:
    """The one constraint of a request. Raises `Refused` where what it asks for cannot hold at once."""
    asked = _of_format(response_format)
    if structured_outputs is not None:
        if asked is not None:
            raise Refused("/structured_outputs", "give response_format or structured_outputs, not both")
        name, constraint = structured_outputs.constraint()
        asked = AskedConstraint(constraint, {"": f"/structured_outputs/{name}"})
    if offer is None:
        return asked
    if asked is None or offer.calling == "must":  # where the text is a call, a format has nothing left to say
        return _of_offer(offer)
    if asked.constraint.kind not in {"json_schema", "json_object"}:
        raise Refused("/tools", "tools go with a JSON format or with none; set tool_choice to none or required")
    try:
        return AskedConstraint(call_or_json(offer.tools, asked.constraint), asked.places)
    except ConstraintRefused as refused:
        raise ConstraintRefused(asked.places[""] + refused.pointer, refused.reason) from None


def _of_format(response_format: ResponseFormat | None) -> AskedConstraint | None:
    match response_format:
        case None | TextFormat():
            return None
        case JsonObjectFormat():
            return AskedConstraint(Constraint.of("json_object", ANY_OBJECT), {"": "/response_format"})
        case JsonSchemaFormat(json_schema=named):
            constraint = Constraint.of("json_schema", named.schema_)
            return AskedConstraint(constraint, {"": "/response_format/json_schema/schema"})
        case StructuralTagFormat(triggers=triggers, structures=structures):
            tag = {"triggers": triggers, "structures": structures}
            return AskedConstraint(Constraint.of("structural_tag", tag), {"": "/response_format"})


def _of_offer(offer: Offer) -> AskedConstraint:
    asked = call_constraint(offer.tools, offer.calling)
    return AskedConstraint(
        asked.constraint, {"": "/tools", **{inside: offer.place(tool) for inside, tool in asked.places.items()}}
    )
