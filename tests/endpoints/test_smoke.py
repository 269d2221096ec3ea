"""The check that follows a deployment, of web tiers of which one is well and the others are not."""

import httpx
import pytest

from infra.settings import SettingsError, load_smoke_headers
from infra.smoke import Smoke
from tests.endpoints.conftest import Web


async def found(http: httpx.AsyncClient, *, version: str | None = None) -> tuple[bool, str]:
    said: list[str] = []
    well = await Smoke(http, version=version, patience_s=0.0).run(said.append, with_key=True)
    return well, "".join(said)


async def test_a_deployment_that_works_is_said_to(web_with_engine: Web):
    _, http = await web_with_engine.user_client()
    async with http:
        well, said = await found(http)
    assert well, said
    assert said.count("ok ") == 5


async def test_everything_that_does_not_work_is_said_at_once(web: Web):
    _, http = await web.user_client()
    async with http:
        well, said = await found(http, version="0.0.0")
    assert not well
    assert "FAILED  health: SmokeError: version " in said
    assert "ok      sessions" in said
    assert "FAILED  generation" in said
    assert "answers 503" in said


async def test_another_service_at_the_address_is_no_deployment():
    parked = httpx.MockTransport(lambda _request: httpx.Response(200, text="<html>parked</html>"))
    async with httpx.AsyncClient(transport=parked, base_url="https://elsewhere") as http:
        well, said = await found(http)
    assert not well
    assert said.count("FAILED") == 5


def test_half_a_proxy_token_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LIFT_SYS_API_KEY", "key")
    assert load_smoke_headers() == {"Authorization": "Bearer key"}
    monkeypatch.setenv("MODAL_PROXY_TOKEN_ID", "wk-1")
    with pytest.raises(SettingsError, match="go together"):
        load_smoke_headers()
