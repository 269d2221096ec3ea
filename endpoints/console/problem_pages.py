"""What is refused before a route is reached, for browsers: pages and notices as the console's own, not documents."""

import json
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from endpoints.console.rendering import problem_page
from endpoints.problems import MEDIA_TYPE, Kind, Problem

_OF_PROGRAMS = ("/api/", "/v1/")
_OF_THE_DOCUMENT = frozenset({"content-type", "content-length"})


class ProblemPagesMiddleware:
    """Answers a problem as a page where a browser goes to one: too much to do, no such path, a defect of ours.

    A script of the console gets the notice that it shows. Programs, and whatever asks below /api or /v1, get the
    document.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _wants_page(scope):
            await self.app(scope, receive, send)
            return
        refused: Message | None = None

        async def send_as_page(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start" and _headers(message).get("content-type") == MEDIA_TYPE:
                refused = message
            elif refused is None:
                await send(message)
            else:  # a problem's document comes in one piece
                problem = _problem(_headers(refused), json.loads(message["body"]))
                await problem_page(Request(scope), problem)(scope, receive, send)

        await self.app(scope, receive, send_as_page)


def _wants_page(scope: Scope) -> bool:
    if scope["path"].startswith(_OF_PROGRAMS):
        return False
    headers = Headers(scope=scope)
    return "text/html" in headers.get("accept", "") or headers.get("hx-request") == "true"


def _headers(message: Message) -> Headers:
    return Headers(raw=message["headers"])


def _problem(headers: Headers, document: dict[str, Any]) -> Problem:
    status = int(document["status"])
    kind = Kind(document["type"].partition("#")[2], status, document["title"])
    kept = {name: value for name, value in headers.items() if name not in _OF_THE_DOCUMENT}
    return Problem(status, document["detail"], kind, headers=kept)
