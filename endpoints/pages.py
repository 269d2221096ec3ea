"""The pages about the API: its documentation, the catalogue of problems; and the files of all pages."""

import html
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles

from endpoints.guard import GuardedRoute
from endpoints.problems import CATALOGUE_PATH, INVALID, KINDS, OVERLOADED
from endpoints.security_headers import PAGE_POLICY

CONSOLE = Path(__file__).with_name("console")
_CACHED = "public, max-age=300"

router = APIRouter(route_class=GuardedRoute, include_in_schema=False)


class Assets(StaticFiles):
    """Our own and vendored files: the same for everyone, so that browsers and proxies may keep them."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Starlette's hook for one file's answer (it handles conditional requests)."""
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = _CACHED
        return response


def mount_assets(app: FastAPI) -> None:
    """Serve the files that the pages refer to below /assets."""
    for path, directory in (("/assets/vendor", "vendor"), ("/assets", "static")):
        app.mount(path, GZipMiddleware(Assets(directory=CONSOLE / directory), compresslevel=6))


@router.api_route("/docs", methods=["GET", "HEAD"])
async def documentation() -> Response:
    """Swagger UI over /openapi.json, without a file from elsewhere."""
    return _page("docs.html")


@router.api_route(CATALOGUE_PATH, methods=["GET", "HEAD"])
async def problem_catalogue() -> Response:
    """Where the `type` of every problem document points."""
    kinds = sorted({*KINDS.values(), INVALID, OVERLOADED}, key=lambda kind: (kind.status, kind.name))
    rows = "\n".join(
        f'<tr id="{kind.name}"><td><code>{kind.name}</code></td><td>{kind.status}</td>'
        f"<td>{html.escape(kind.title)}</td></tr>"
        for kind in kinds
    )
    return _page("problems.html", rows=rows)


def _page(name: str, **values: str) -> Response:
    text = (CONSOLE / "pages" / name).read_text()
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return HTMLResponse(text, headers={"content-security-policy": PAGE_POLICY, "cache-control": _CACHED})
