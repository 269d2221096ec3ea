"""Asking for a function: the form, and the order that it gives."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.constraint_choices import CHOICES, constraint_set
from endpoints.console.examples import EXAMPLES
from endpoints.console.rendering import page, part
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.guard import App, Generator, Reader
from endpoints.health import engine_health
from endpoints.services import Services
from endpoints.session_creation import CreateSession
from endpoints.session_work import working
from functions.constraints.extraction import SourceFile
from functions.failures import Refused

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

LONGEST_PROMPT = 100_000
LONGEST_SOURCE = 500_000
PASTED = "pasted.py"


@router.get("/new")
async def order_form(
    request: Request, app: App, caller: Reader, prompt: Annotated[str, Query(max_length=LONGEST_PROMPT)] = ""
) -> Response:
    """The form; `prompt` fills it in."""
    del caller
    return await _form(request, app, prompt=prompt)


@router.post("/new")
async def give_order(
    request: Request,
    app: App,
    caller: Generator,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    language: Annotated[Literal["python", "typescript"], Form()] = "python",
    until: Annotated[Literal["ir", "code"], Form()] = "code",
    assume: Annotated[bool, Form()] = False,  # noqa: FBT002 - a form's field
    keeps: Annotated[list[str] | None, Form()] = None,
    mined: Annotated[list[str] | None, Form()] = None,
    own: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    tests: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
) -> Response:
    """Begin, and go to the session's page, where the work can be watched and stopped."""
    try:
        constraints = constraint_set(keeps or [], mined or [], own)
        wanted = CreateSession(
            prompt=prompt.strip(),
            language=language,
            until=until,
            assume=assume,
            constraints=constraints,
            tests=tests.replace("\r\n", "\n") if tests.strip() else None,
        )
    except (ValidationError, Refused) as error:
        given = {
            "prompt": prompt,
            "until": until,
            "keeps": keeps or [],
            "own": own,
            "tests": tests,
            "language": language,
        }
        return await _form(request, app, status=422, refusal=_refusal(error), **given)
    do = working(app, request, caller, wanted.order(), patience_s=app.settings.engine.startup_timeout_s)
    order = await app.running_orders.start(do, user_id=caller.user_id)
    return go_to(request, f"/sessions/{order.session_id}")


@router.post("/new/extract")
async def extract(
    request: Request, app: App, caller: Reader, source: Annotated[str, Form(max_length=LONGEST_SOURCE)] = ""
) -> Response:
    """What pasted code keeps to, with its evidence, to choose from."""
    del caller
    extraction = await app.extractor.of_files([SourceFile(PASTED, source)])
    found = [constraint for each in extraction.constraint_sets for constraint in each["constraints"]]
    skipped = "; ".join(file.reason for file in extraction.skipped)
    return part(request, "_mined.html", found=found, skipped=skipped)


def _refusal(error: ValidationError | Refused) -> str:
    if isinstance(error, Refused):
        return str(error)
    for fault in error.errors():
        said = fault["msg"].removeprefix("Value error, ")
        if not fault["loc"]:
            return f"{said[:1].upper()}{said[1:]}."
        if fault["loc"][0] == "tests":
            return f"The tests: {said}."
    return "Say in plain words what the function should do."


async def _form(request: Request, app: Services, *, status: int = 200, **given: Any) -> Response:
    engine = await engine_health(app.engine, app.settings.engine.model)
    shown = {
        "prompt": "",
        "refusal": "",
        "until": "code",
        "keeps": [],
        "own": "",
        "tests": "",
        "language": "python",
        **given,
    }
    return page(request, "new.html", status, examples=EXAMPLES, choices=CHOICES, engine=engine, **shown)
