"""Slack, PagerDuty and a webhook's receiver on this machine's loopback: real HTTP servers that keep what they got."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from starlette.types import Receive, Scope, Send

from infra.operation_settings import AlertSettings
from infra.settings import AlertSecrets
from tests.endpoints.asgi import served

WEBHOOK_SECRET = f"whsec_{base64.b64encode(b'a secret of some length').decode()}"


@dataclass(frozen=True)
class Received:
    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receivers:
    """`status` decides how a path is answered; by default everything is taken."""

    url: str = ""
    received: list[Received] = field(default_factory=list)
    status: Callable[[str], int] = lambda _path: 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)

    def at(self, path: str) -> list[Received]:
        return [one for one in self.received if one.path == path]

    @property
    def secrets(self) -> AlertSecrets:
        return AlertSecrets(
            slack_webhook_url=SecretStr(f"{self.url}/slack"),
            pagerduty_routing_key=SecretStr("routing-key"),
            alert_webhook_url=SecretStr(f"{self.url}/webhook"),
            alert_webhook_secret=SecretStr(WEBHOOK_SECRET),
        )

    def settings(self, settings: AlertSettings, **changes: Any) -> AlertSettings:
        local = {"allow_private_addresses": True, "pagerduty_url": f"{self.url}/pagerduty"}
        return settings.model_copy(update=local | changes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        raw = b""
        while True:
            message = await receive()
            raw += message.get("body", b"")
            if not message.get("more_body"):
                break
        status = self.status(scope["path"])
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if status < 300:
            self.received.append(Received(scope["path"], headers, raw))
        await send({"type": "http.response.start", "status": status, "headers": self.headers})
        await send({"type": "http.response.body", "body": b"as asked"})


@asynccontextmanager
async def receivers() -> AsyncIterator[Receivers]:
    listening = Receivers()
    async with served(listening) as url:
        listening.url = url
        yield listening
