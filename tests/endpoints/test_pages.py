import re
import tomllib
from pathlib import Path

import pytest

from endpoints import pages
from endpoints.problems import KINDS
from endpoints.public_documents import FOR_EVER, KEPT
from endpoints.security_headers import PAGE_POLICY
from endpoints.version import VERSION
from tests.endpoints.conftest import Web


@pytest.mark.parametrize("path", ["/docs", "/docs/problems"])
async def test_a_page_needs_nothing_from_elsewhere_and_nothing_inline(web: Web, path: str):
    async with web.client() as client:
        page = await client.get(path)
        assert page.status_code == 200
        assert page.headers["content-security-policy"] == PAGE_POLICY
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)
        loaded = re.findall(r'<(?:script[^>]*\ssrc|link rel="stylesheet" href)="([^"]+)"', page.text)
        assert loaded
        for asset in loaded:
            assert asset.startswith("/assets/")
            assert (await client.get(asset)).status_code == 200


async def test_the_catalogue_has_every_kind_of_problem_where_its_type_points(web: Web):
    async with web.client() as client:
        page = await client.get("/docs/problems")
    for kind in KINDS.values():
        assert f'id="{kind.name}"' in page.text


async def test_assets_are_kept_by_browsers_and_asked_for_conditionally(web: Web):
    async with web.client() as client:
        asset = await client.get("/assets/vendor/swagger-ui-dist/swagger-ui-bundle.js")
        again = await client.get(asset.url.path, headers={"if-none-match": asset.headers["etag"]})
    assert asset.headers["cache-control"].startswith("public")
    assert again.status_code == 304


@pytest.mark.parametrize("path", ["/assets/", "/assets/vendor", "/assets/%2e%2e/pages/index.html", "/assets/x.js"])
async def test_nothing_else_is_served_from_there(web: Web, path: str):
    async with web.client() as client:
        assert (await client.get(path)).status_code == 404


def test_what_is_vendored_keeps_its_licence():
    for package in (pages.CONSOLE / "vendor").iterdir():
        assert (package / "LICENSE").is_file()


def test_the_version_is_the_packages():
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


async def test_an_asset_at_the_address_of_its_content_is_kept_for_ever_and_at_another_it_is_not(web: Web):
    async with web.client() as client:
        page = await client.get("/sign-in")
        address = re.search(r'href="(/assets/console.css\?v=[0-9a-f]+)"', page.text)
        assert address
        assert (await client.get(address[1])).headers["cache-control"] == FOR_EVER
        assert (await client.get("/assets/console.css?v=0123456789")).headers["cache-control"] == KEPT


@pytest.mark.parametrize("path", ["/docs", "/docs/problems", "/openapi.json", "/api/ir/schema"])
async def test_what_is_the_same_for_everybody_may_be_kept_and_is_sent_once(web: Web, path: str):
    async with web.client() as client:
        first = await client.get(path)
        assert (first.status_code, first.headers["cache-control"]) == (200, KEPT)
        etag = first.headers["etag"]
        for known in (etag, f"W/{etag}", f'"another", {etag}', "*"):
            again = await client.get(path, headers={"if-none-match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
        assert (await client.get(path, headers={"if-none-match": '"another"'})).status_code == 200
        assert (await client.head(path)).headers["etag"] == etag


async def test_what_belongs_to_one_caller_is_kept_by_nobody(web: Web):
    _, client = await web.user_client()
    for path in ("/api/sessions", "/api/me", "/health", "/api/sessions/none"):
        assert (await client.get(path)).headers["cache-control"] == "no-store"
