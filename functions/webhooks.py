"""Posting JSON to an address that somebody has configured: safely, signed where the receiver wants to know who it was.

Server-side request forgery: only public addresses are connected to, whatever a name resolves to at that moment, and
redirects are not followed (OWASP, "Server-Side Request Forgery Prevention Cheat Sheet").
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

ANSWER_BYTES = 500
"""As much of an answer is read as an error message can show."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - the prefix, not a secret
NAT64 = ipaddress.ip_network("64:ff9b::/96")


class WebhookFailed(Exception):  # noqa: N818 - it says what happened, as the names in functions.failures do
    """The receiver did not take it. `retry_after_s` is what it asked for, if it did."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Message:
    """What is posted where; `secret` signs it under the name `id`, by which the receiver knows a repetition."""

    url: str
    body: Mapping[str, Any]
    id: str
    secret: str | None = None


class Webhooks:
    """Posts messages. `allow_private` also lets them go to private addresses, and without TLS."""

    def __init__(self, *, timeout_s: float, allow_private: bool = False) -> None:
        self._timeout_s = timeout_s
        self._allow_private = allow_private

    async def post(self, message: Message, *, at: datetime) -> None:
        """Deliver it, once. Raises `WebhookFailed`, whose text never holds the address: addresses are secrets."""
        url = self._checked(message.url)
        body = json.dumps(message.body, separators=(",", ":")).encode()
        headers = {"content-type": "application/json", "user-agent": "lift-sys"}
        if message.secret is not None:
            headers |= signature_headers(message.secret, message.id, at, body)
        resolver = ThreadedResolver() if self._allow_private else PublicResolver()
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False),
                    timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                    trust_env=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                ) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                await _accepted(response)
        except TimeoutError:
            raise WebhookFailed(f"no answer within {self._timeout_s:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            refused = _refusal(error)
            raise WebhookFailed(refused or f"no connection ({type(error).__name__})") from None

    def _checked(self, address: str) -> str:
        """A literal address is not resolved, and so is looked at here."""
        try:
            url = URL(address)
        except ValueError:
            raise WebhookFailed("the address is no URL") from None
        schemes = {"https", "http"} if self._allow_private else {"https"}
        if url.scheme not in schemes or url.host is None or url.user is not None:
            raise WebhookFailed(f"the address must be {' or '.join(sorted(schemes))}://<host>/...")
        try:
            literal = ipaddress.ip_address(url.host)
        except ValueError:
            return address
        if not self._allow_private and not is_public(literal):
            raise WebhookFailed("the address is not public")
        return address


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses alone. The connection goes to the very address that was looked at."""

    def __init__(self) -> None:
        self._resolver = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """As aiohttp asks for it. Raises `OSError`."""
        found = await self._resolver.resolve(host, port, family)
        public = [entry for entry in found if is_public(ipaddress.ip_address(entry["host"].split("%")[0]))]
        if not public:
            raise NotPublicError(host)
        return public

    async def close(self) -> None:
        """As aiohttp asks for it."""
        await self._resolver.close()


class NotPublicError(OSError):
    """A name that stands for no public address."""


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether anybody may own it; of an IPv6 address that carries an IPv4 one, whether that is so for both."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if inner is not None:
            return is_public(inner)
    return address.is_global and not address.is_multicast and not address.is_reserved


def signature_headers(secret: str, message_id: str, at: datetime, body: bytes) -> dict[str, str]:
    """`webhook-id`, `webhook-timestamp`, `webhook-signature` (https://www.standardwebhooks.com, specification 1.0).

    Raises `WebhookFailed` for a secret that is not base64.
    """
    timestamp = str(int(at.timestamp()))
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except ValueError:
        raise WebhookFailed("the signing secret is not base64 after whsec_") from None
    signature = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }


async def _accepted(response: aiohttp.ClientResponse) -> None:
    if response.ok and response.status < 300:  # noqa: PLR2004 - a redirect is no delivery
        return
    text = (await response.content.read(ANSWER_BYTES)).decode("utf-8", "replace").strip()
    try:
        wait: float | None = max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        wait = None
    raise WebhookFailed(f"HTTP {response.status}: {text}", retry_after_s=wait)


def _refusal(error: BaseException) -> str | None:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, NotPublicError):
            return "the address is not public"
        cause = cause.__cause__
    return None
