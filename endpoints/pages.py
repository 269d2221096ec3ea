"""The pages about the API: its documentation, the catalogue of problems; and the files of all pages."""

import hashlib
import html
import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.staticfiles import StaticFiles

from endpoints.guard import GuardedRoute
from endpoints.problems import CATALOGUE_PATH, INVALID, KINDS
from endpoints.public_documents import FOR_EVER, KEPT, public_document
from endpoints.security_headers import PAGE_POLICY

CONSOLE = Path(__file__).with_name("console")

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


class Assets(StaticFiles):
    """Our own and vendored files: the same for everyone, so that browsers and proxies may keep them."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Starlette's hook for one file's answer (it handles conditional requests)."""
        response = super().file_response(*args, **options)
        path, _stat, scope, *_ = args
        # While a deployment is going on, a page of the one may ask for a file of the other.
        is_this_one = scope["query_string"] == f"v={digest_of(Path(path))}".encode()
        response.headers["cache-control"] = FOR_EVER if is_this_one else KEPT
        return response


@cache
def digest_of(file: Path) -> str:
    """Of the content, for an address that is another one for another content."""
    return hashlib.sha256(file.read_bytes()).hexdigest()[:10]


def mount_assets(app: FastAPI) -> None:
    """Serve the files that the pages refer to below /assets."""
    for path, directory in (("/assets/vendor", "vendor"), ("/assets", "static")):
        app.mount(path, GZipMiddleware(Assets(directory=CONSOLE / directory), compresslevel=6))


@router.api_route("/docs", methods=["GET", "HEAD"])
async def documentation(request: Request) -> Response:
    """Swagger UI over /openapi.json, without a file from elsewhere."""
    return _page(request, "docs.html")


@router.api_route("/openapi.json", methods=["GET", "HEAD"])
async def description(request: Request) -> Response:
    """The API for programs, as OpenAPI has it."""
    text = json.dumps(request.app.openapi(), ensure_ascii=False, separators=(",", ":"))
    return public_document(request, text, "application/json")


@router.api_route(CATALOGUE_PATH, methods=["GET", "HEAD"])
async def problem_catalogue(request: Request) -> Response:
    """Where the `type` of every problem document points."""
    kinds = sorted({*KINDS.values(), INVALID}, key=lambda kind: (kind.status, kind.name))
    rows = "\n".join(
        f'<tr id="{kind.name}"><td><code>{kind.name}</code></td><td>{kind.status}</td>'
        f"<td>{html.escape(kind.title)}</td></tr>"
        for kind in kinds
    )
    return _page(request, "problems.html", rows=rows)


def _page(request: Request, name: str, **values: str) -> Response:
    text = (CONSOLE / "pages" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return public_document(request, text, "text/html", {"content-security-policy": PAGE_POLICY})
