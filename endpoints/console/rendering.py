"""Templates to pages. Everything is escaped; nothing is inline; what is sent belongs to one user."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from endpoints.console.specification_view import clause_of_check
from endpoints.pages import digest_of
from endpoints.problems import Problem, problem_for
from endpoints.request_id import request_id_of
from endpoints.security_headers import PAGE_POLICY
from endpoints.services import Services
from functions.failures import Failure
from functions.ir import LEFT_TO_CODE

HERE = Path(__file__).parent
MINUTE, HOUR, DAY = 60, 3600, 86400

_STEPS = {"ir": "specification written", "code": "code written", "failed": "the work stopped"}
"""The pipeline's descriptions of its own versions, in words."""

_RESOLVED = "resolved "
"""How the description of a version begins that has the answer to a question, before the question's id."""

_HEADERS = {
    "content-security-policy": PAGE_POLICY,
    "cache-control": "no-store",
    "referrer-policy": "same-origin",  # with none, browsers hide a form's origin from ourselves, too
}


def page(request: Request, name: str, /, status: int = 200, **values: Any) -> HTMLResponse:
    """The template `name` as a response; it also knows who is there and where."""
    return HTMLResponse(render(request, name, **values), status, _HEADERS)


def part(request: Request, name: str, /, status: int = 200, headers: Mapping[str, str] = {}, **values: Any) -> Response:
    """As `page`, for a part that a script of the page puts in its place."""
    return HTMLResponse(render(request, name, **values), status, {**_HEADERS, **headers})


def render(request: Request, name: str, /, **values: Any) -> str:
    """The template `name` as text."""
    services = cast("Services", request.app.state.services)
    visit = getattr(request.state, "visit", None)
    known = {
        "caller": visit and visit.caller,
        "form_token": visit.form_token if visit else "",
        "maintenance": services.maintenance.known,
        "database_away": getattr(request.state, "database_away", False),
        "degraded": services.degraded is not None,
        "environment": services.settings.environment,
        "path": request.url.path,
        "theme": _theme(request),
    }
    return _environment().get_template(name).render({**known, **values})


def failure_page(request: Request, error: Exception) -> Response:
    """What went wrong, with what can be done: a page, or a notice for the script that asked."""
    return problem_page(request, _problem(error))


def problem_page(request: Request, problem: Problem) -> Response:
    """As `failure_page`, of what is known as a problem already."""
    values = {"problem": problem, "request_id": request_id_of(request.scope)}
    if request.headers.get("hx-request") == "true":
        headers = {**problem.headers, "hx-retarget": "#notices", "hx-reswap": "innerHTML", "hx-reselect": ".notice"}
        return part(request, "_notice.html", problem.status, headers, **values)
    response = page(request, "problem.html", problem.status, **values)
    response.headers.update(problem.headers)
    return response


def _problem(error: Exception) -> Problem:
    match error:
        case Failure():
            return problem_for(error)
        case RequestValidationError():
            faults = "; ".join(f"{fault['loc'][-1]}: {fault['msg']}" for fault in error.errors()[:3])
            return Problem(422, faults)
        case HTTPException():
            return Problem(error.status_code, error.detail)
    raise error


def _theme(request: Request) -> str:
    theme = request.cookies.get("lift-theme", "")
    return theme if theme in {"light", "dark"} else ""


def load_templates() -> None:
    """Read them all now: not when the first visitor waits, and not when the files may be another version's."""
    _environment()


@cache
def _environment() -> Environment:
    """The templates as they were when this code began to serve.

    One that is read later may be of another version than the code, and want values that it is not given.
    """
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["asset"] = _asset
    environment.globals["left_to_code"] = LEFT_TO_CODE
    environment.filters.update(
        step=_step,
        with_code=with_code,
        sentence=_sentence,
        ago=_ago,
        instant=_instant,
        money=_money,
        as_json=_as_json,
        duration=_duration,
        line_numbers=_line_numbers,
        clause_of_check=clause_of_check,
    )
    for name in environment.list_templates():
        environment.get_template(name)
    return environment


@cache
def _asset(name: str) -> str:
    """The address of a static file, another one for another content."""
    return f"/assets/{name}?v={digest_of(HERE / 'static' / name)}"


def _step(description: str) -> str:
    return "a question answered" if description.startswith(_RESOLVED) else _STEPS.get(description, description)


def _sentence(text: str) -> str:
    """What was said to programs, as one says it to people."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?', ':')) else '.'}" if text else ""


def with_code(text: str) -> Markup:
    """Text in which what stands between backticks is code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # one without its other
        return escape(text)
    return Markup().join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def _ago(moment: datetime) -> str:
    seconds = (datetime.now(UTC) - moment).total_seconds()
    if seconds < MINUTE:
        return "just now"
    for unit, name in ((DAY, "day"), (HOUR, "hour"), (MINUTE, "minute")):
        if seconds >= unit:
            count = int(seconds // unit)
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _money(usd: float) -> str:
    """Cents are coarse for one generation, and thousandths too fine for a month."""
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def _as_json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < MINUTE else f"{int(seconds // MINUTE)} min {int(seconds % MINUTE)} s"


def _line_numbers(lines: Sequence[int]) -> str:
    """In words, runs as ranges."""
    runs: list[list[int]] = []
    for line in lines:
        if runs and runs[-1][-1] == line - 1:
            runs[-1].append(line)
        else:
            runs.append([line])
    shown = ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)  # noqa: RUF001 - a range
    return f"line{'s' if len(lines) > 1 else ''} {shown}"
