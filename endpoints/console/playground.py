"""Raw constrained generation, to try: a constraint is judged as it is typed, and its text watched as it is written."""

import json
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.json_text import NotJson, read_json
from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute
from endpoints.console.specification_text import Fault, place_of
from endpoints.generation import GenerateBody, generate
from endpoints.guard import App, Generator, Reader
from endpoints.health import engine_health
from functions.constraints.reading import read_constraint_set
from functions.constraints.report import Row
from functions.failures import Conflict, ConstraintRefused, Refused
from functions.generation import Constraint

router = APIRouter(route_class=ConsoleRoute, prefix="/playground", include_in_schema=False)

Kind = Literal["json_schema", "grammar", "regex", "choice", "constraints", "none"]
KIND_LABELS: tuple[tuple[Kind, str], ...] = (
    ("json_schema", "JSON Schema"),
    ("grammar", "Grammar"),
    ("regex", "Regex"),
    ("choice", "Choice"),
    ("constraints", "Rules"),
    ("none", "Nothing"),
)
KINDS_WITH_JSON = frozenset({"json_schema", "constraints"})
LONGEST_TEXT = 300_000

EXAMPLES: dict[Kind, tuple[str, str]] = {
    "json_schema": (
        "A person who could live in Lisbon, as JSON.",
        json.dumps(
            {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "maxLength": 40},
                    "age": {"type": "integer", "minimum": 0, "maximum": 120},
                    "languages": {"type": "array", "items": {"enum": ["pt", "en", "es", "fr"]}, "maxItems": 3},
                },
                "required": ["name", "age", "languages"],
                "additionalProperties": False,
            },
            indent=2,
        ),
    ),
    "grammar": (
        "Three tasks for moving house, as a checklist.",
        'start: item{3}\nitem: "- [" MARK "] " WORDS "\\n"\nMARK: "x" | " "\nWORDS: /[A-Z][a-z ]{5,40}/\n',
    ),
    "regex": ("A date in the spring of 2026.", "2026-0[3-5]-(0[1-9]|[12][0-9]|30)"),
    "choice": ("Is this review friendly? 'It broke on the first day.'", "friendly\nneutral\nunfriendly"),
    "constraints": (
        "Write a Python function that adds two integers.",
        json.dumps(
            {
                "constraints": [
                    {
                        "name": "head",
                        "severity": "error",
                        "rule": {"type": "signature", "signature": "def add(a: int, b: int) -> int"},
                    },
                    {"name": "no eval", "severity": "error", "rule": {"type": "forbid_calls", "calls": ["eval"]}},
                    {"name": "short", "severity": "warning", "rule": {"type": "max_lines", "max": 12}},
                    {"name": "style", "severity": "hint", "description": "keep it simple"},
                ]
            },
            indent=2,
        ),
    ),
    "none": ("Name a colour.", ""),
}
"""A prompt and a constraint of each kind, to begin with."""

_PLACE = re.compile(r"line (\d+), column (\d+)")
_CHARACTER = re.compile(r"character (\d+)")

KindField = Annotated[Kind, Form()]
Text = Annotated[str, Form(max_length=LONGEST_TEXT)]


@router.get("")
async def playground(request: Request, app: App, caller: Reader) -> Response:
    """The form, with an example in it."""
    del caller
    engine = await engine_health(app.engine, app.settings.engine.model)
    values: dict[str, Any] = {"kinds": KIND_LABELS, "examples": EXAMPLES, "engine": engine}
    return page(request, "playground.html", **values, most_tokens=app.settings.engine.max_model_len)


@router.post("/check")
async def check(
    request: Request, app: App, caller: Reader, kind: KindField = "json_schema", constraint: Text = ""
) -> Response:
    """The verdict that a generation would meet, with the place of the fault."""
    del caller
    faults: list[Fault] = []
    figures = None
    report: Sequence[Row] = ()
    try:
        if kind == "constraints":
            report = (await app.compiler.compile(read_constraint_set(_value(kind, constraint)))).report
        elif kind != "none":
            figures = (await app.validator.check(Constraint.of(kind, _value(kind, constraint)))).figures
    except ConstraintRefused as refused:
        faults = [_fault(kind, constraint, refused)]
    except Refused as refused:
        faults = [_fault("grammar", constraint, refused)]
    except Conflict as conflict:
        faults = [Fault(1, 1, "", f"{conflict}: {', '.join(conflict.details.get('conflict', []))}")]
    return part(request, "_verdict.html", faults=faults, figures=figures, report=report, kind=kind)


@router.post("/generate")
async def generate_text(
    request: Request,
    app: App,
    caller: Generator,
    prompt: Text = "",
    kind: KindField = "json_schema",
    constraint: Text = "",
    max_tokens: Annotated[int, Form(ge=1)] = 200,
    temperature: Annotated[float, Form(ge=0, le=2)] = 0.3,
    seed: Annotated[str, Form(pattern="^[0-9]{0,18}$")] = "",
) -> Response:
    """As POST /api/generate: a stream of `delta`, then `done` or `error`."""
    given: dict[str, Any] = {"prompt": prompt, "max_tokens": max_tokens, "temperature": temperature}
    if kind != "none":
        given[kind] = _value(kind, constraint)
    if seed:
        given["seed"] = int(seed)
    try:
        body = GenerateBody.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise Refused(f"/{first['loc'][0] if first['loc'] else ''}", f"{first['loc'][0]}: {first['msg']}") from None
    return await generate(request, body, app, caller)


def _value(kind: Kind, text: str) -> Any:
    """The constraint as the API takes it. Raises `Refused` for what is not JSON where JSON is needed."""
    match kind:
        case "choice":
            return [line for line in text.splitlines() if line]
        case "json_schema" | "constraints":
            try:
                return read_json(text)
            except NotJson as error:
                place = f"line {error.line}, column {error.column}"
                raise Refused(f"/{kind}", f"{place}: {error.reason}") from None
        case _:
            return text


def _fault(kind: Kind, text: str, refused: Refused) -> Fault:
    """Where in the text the refusal points, by its pointer or by the place that it names."""
    reason, index = refused.reason, 0
    if place := _PLACE.search(reason):
        return Fault(int(place[1]), int(place[2]), "", reason[place.end() :].lstrip(": "))
    if kind in KINDS_WITH_JSON:
        index = place_of(text, [int(s) if s.isdecimal() else s for s in refused.pointer.split("/")[1:]])
    elif place := _CHARACTER.search(reason):
        index = int(place[1]) - 1
    line = text.count("\n", 0, index) + 1
    return Fault(line, index - text.rfind("\n", 0, index), refused.pointer, reason)
