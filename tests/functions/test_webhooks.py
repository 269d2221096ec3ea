"""Posts go where they may, once, signed as Standard Webhooks says."""

import base64
import ipaddress
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.abc import ResolveResult
from aiohttp.resolver import ThreadedResolver
from starlette.types import Receive, Scope, Send

from functions.webhooks import Message, WebhookFailed, Webhooks, is_public, signature_headers
from tests.endpoints.asgi import served
from tests.functions.webhook_receivers import WEBHOOK_SECRET, Receivers, receivers

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.fixture
async def listening() -> AsyncIterator[Receivers]:
    async with receivers() as each:
        yield each


async def refusal(url: str, **options: Any) -> str:
    with pytest.raises(WebhookFailed) as failed:
        await Webhooks(timeout_s=2, **options).post(Message(url, {}, "m"), at=AT)
    return str(failed.value)


def test_the_specifications_own_example():
    # standardwebhooks' reference libraries test with this one.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    headers = signature_headers(
        secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", datetime.fromtimestamp(1614265330, UTC), b'{"test": 2432232314}'
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


def test_a_secret_that_is_none_is_said_so():
    with pytest.raises(WebhookFailed, match="not base64"):
        signature_headers("whsec_!", "m", AT, b"")


async def test_what_is_signed_is_what_arrives(listening: Receivers):
    message = Message(f"{listening.url}/webhook", {"a": "ü"}, "m1", WEBHOOK_SECRET)
    await Webhooks(timeout_s=2, allow_private=True).post(message, at=AT)
    (one,) = listening.received
    assert one.body == {"a": "ü"}
    expected = signature_headers(WEBHOOK_SECRET, "m1", AT, one.raw)
    assert {name: one.headers[name] for name in expected} == expected
    assert base64.b64decode(expected["webhook-signature"].removeprefix("v1,"))


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/", "https://[::1]/", "https://169.254.169.254/latest/meta-data/", "https://10.0.0.1/",
        "https://[::ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://192.168.1.1:8080/", "https://0.0.0.0/",
        "https://localhost/", "https://0x7f.1/", "https://224.0.0.1/",
    ],
)  # fmt: skip
async def test_private_addresses_are_refused_however_they_are_written(url: str):
    assert await refusal(url) == "the address is not public"


@pytest.mark.parametrize("url", ["https://2130706433/", "https://127.1/"])
async def test_addresses_in_other_notations_lead_nowhere(url: str):
    assert (await refusal(url)).startswith("no connection")


@pytest.mark.parametrize(
    "url", ["http://example.com/", "file:///etc/passwd", "https://", "ftp://x/", "https://u:p@x.y/"]
)
async def test_only_https_without_credentials(url: str):
    assert (await refusal(url)).startswith("the address must be https://")


async def test_a_name_is_connected_to_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, listening: Receivers
):
    asked = []

    async def rebinding(self: ThreadedResolver, host: str, port: int = 0, family: Any = 0) -> list[ResolveResult]:
        """Public at the first question, this machine at the second."""
        asked.append(host)
        address = "203.0.113.1" if len(asked) == 1 else "127.0.0.1"
        return [ResolveResult(hostname=host, host=address, port=port, family=2, proto=0, flags=0)]

    monkeypatch.setattr(ThreadedResolver, "resolve", rebinding)
    port = listening.url.rpartition(":")[2]
    assert "not public" in await refusal(f"https://rebinding.example:{port}/"), "203.0.113.0/24 is documentation's"
    assert "not public" in await refusal(f"https://rebinding.example:{port}/")
    assert listening.received == []


async def test_a_redirect_is_not_followed(listening: Receivers):
    listening.status = lambda _path: 302
    listening.headers = [(b"location", f"{listening.url}/elsewhere".encode())]
    assert (await refusal(f"{listening.url}/webhook", allow_private=True)).startswith("HTTP 302")
    assert listening.received == []


async def test_a_refusal_says_what_the_receiver_said_and_when_to_come_again(listening: Receivers):
    listening.status = lambda _path: 429
    listening.headers = [(b"retry-after", b"7")]
    with pytest.raises(WebhookFailed, match="HTTP 429: as asked") as failed:
        await Webhooks(timeout_s=2, allow_private=True).post(Message(f"{listening.url}/x", {}, "m"), at=AT)
    assert failed.value.retry_after_s == 7


async def test_a_receiver_that_never_answers_is_left():
    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async with served(silent) as url:
        with pytest.raises(WebhookFailed, match="no answer within"):
            await Webhooks(timeout_s=0.2, allow_private=True).post(Message(url, {}, "m"), at=AT)


async def test_nobody_there_is_said_without_the_address():
    said = await refusal("http://127.0.0.1:9/secret-path", allow_private=True)
    assert said.startswith("no connection")
    assert "secret-path" not in said


@pytest.mark.parametrize(
    ("address", "public"), [("8.8.8.8", True), ("2606:4700::1111", True), ("100.64.0.1", False), ("fc00::1", False)]
)
def test_public_is_what_anybody_may_own(address: str, *, public: bool):
    assert is_public(ipaddress.ip_address(address)) is public
