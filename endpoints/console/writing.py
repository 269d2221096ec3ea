"""Asking for a function: the form, and the order that it gives."""

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from endpoints.console.examples import EXAMPLES
from endpoints.console.rendering import page
from endpoints.console.route import ConsoleRoute, go_to
from endpoints.guard import App, Generator, Reader
from endpoints.health import engine_health
from endpoints.session_creation import CreateSession
from endpoints.session_work import working

router = APIRouter(route_class=ConsoleRoute, include_in_schema=False)

LONGEST_PROMPT = 100_000


@router.get("/new")
async def order_form(
    request: Request, app: App, caller: Reader, prompt: Annotated[str, Query(max_length=LONGEST_PROMPT)] = ""
) -> Response:
    """The form; `prompt` fills it in."""
    del caller
    engine = await engine_health(app.engine, app.settings.engine.model)
    return page(request, "new.html", prompt=prompt, refusal="", examples=EXAMPLES, engine=engine, until="code")


@router.post("/new")
async def give_order(
    request: Request,
    app: App,
    caller: Generator,
    prompt: Annotated[str, Form(max_length=LONGEST_PROMPT)] = "",
    language: Annotated[Literal["python"], Form()] = "python",
    until: Annotated[Literal["ir", "code"], Form()] = "code",
    assume: Annotated[bool, Form()] = False,  # noqa: FBT002 - a form's field
) -> Response:
    """Begin, and go to the session's page, where the work can be watched and stopped."""
    try:
        wanted = CreateSession(prompt=prompt.strip(), language=language, until=until, assume=assume)
    except ValidationError:
        engine = await engine_health(app.engine, app.settings.engine.model)
        refusal = "Say in plain words what the function should do."
        values = {"prompt": prompt, "refusal": refusal, "examples": EXAMPLES, "engine": engine, "until": until}
        return page(request, "new.html", 422, **values)
    order = await app.running_orders.start(working(app, request, caller, wanted.order()))
    return go_to(request, f"/sessions/{order.session_id}")
