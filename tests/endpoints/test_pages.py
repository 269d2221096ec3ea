import re
import tomllib
from pathlib import Path

import pytest

from endpoints import pages
from endpoints.problems import KINDS
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
