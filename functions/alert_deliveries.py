"""The outbox of alerts: each delivery is claimed for a while, posted, and marked; where one dies, another goes on.

A delivery that was posted and not marked is posted again: its receiver knows it by PagerDuty's dedup_key, or by
webhook-id. Slack's incoming webhooks know no such key; there the second message says that it is one.
"""

import random
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import structlog
from pydantic import SecretStr, TypeAdapter

from functions.alert_messages import ClaimedDelivery, pagerduty_event, slack_blocks, webhook_document
from functions.database import Database
from functions.webhooks import Message, WebhookFailed, Webhooks
from infra.operation_settings import AlertSettings, Destination, Severity
from infra.settings import AlertSecrets

Clock = Callable[[], datetime]
AT_ONCE = 10
LEASE_FACTOR = 2
"""A claim holds for so many times what its posts may take together."""

_CLAIMED = TypeAdapter(list[ClaimedDelivery])
_log = structlog.get_logger()


class Outbox:
    """Deliveries of one environment's alerts."""

    def __init__(
        self,
        database: Database,
        service_key: str,
        settings: AlertSettings,
        secrets: AlertSecrets,
        *,
        environment: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._service_key = service_key
        self._settings = settings
        self._secrets = secrets
        self._environment = environment
        self._clock = clock
        self._webhooks = Webhooks(timeout_s=settings.timeout_s, allow_private=settings.allow_private_addresses)

    @property
    def destinations(self) -> Mapping[Severity, list[Destination]]:
        """Where alerts of each severity go: as the settings say, of what is configured."""
        configured = self._secrets.destinations
        return {
            severity: [name for name in names if name in configured]
            for severity, names in self._settings.destinations.items()
        }

    async def empty(self) -> int:
        """Deliver what is due; how much was delivered. Raises `DatabaseUnavailable`."""
        delivered = 0
        while claimed := await self._claim():
            for delivery in claimed:
                delivered += await self._deliver(delivery)
        return delivered

    async def post(self, delivery: ClaimedDelivery) -> None:
        """Raises `WebhookFailed`."""
        await self._webhooks.post(self._message(delivery), at=self._clock())

    async def _claim(self) -> list[ClaimedDelivery]:
        arguments = {
            "p_environment": self._environment,
            "p_at": self._clock().isoformat(),
            "p_lease_s": LEASE_FACTOR * AT_ONCE * self._settings.timeout_s,
            "p_limit": AT_ONCE,
        }
        rows = await self._database.call("claim_alert_deliveries", arguments, token=self._service_key)
        return _CLAIMED.validate_python(rows)

    async def _deliver(self, delivery: ClaimedDelivery) -> int:
        try:
            await self.post(delivery)
        except WebhookFailed as failed:
            await self._finish(delivery, error=str(failed), retry_at=self._retry_at(delivery, failed))
            return 0
        await self._finish(delivery)
        return 1

    async def _finish(
        self, delivery: ClaimedDelivery, *, error: str | None = None, retry_at: datetime | None = None
    ) -> None:
        if error is not None:
            _log.warning(
                "an alert was not delivered", alert=delivery.message_id, destination=delivery.destination, reason=error,
                attempt=delivery.attempt, retry_at=retry_at.isoformat() if retry_at else None,
            )  # fmt: skip
        arguments = {
            "p_id": delivery.id,
            "p_attempt": delivery.attempt,
            "p_at": self._clock().isoformat(),
            "p_error": error,
            "p_retry_at": retry_at.isoformat() if retry_at else None,
        }
        await self._database.call("finish_alert_delivery", arguments, token=self._service_key, idempotent=True)

    def _retry_at(self, delivery: ClaimedDelivery, failed: WebhookFailed) -> datetime | None:
        if delivery.attempt >= self._settings.max_attempts:
            return None
        wait_s = min(self._settings.first_retry_s * 2 ** (delivery.attempt - 1), self._settings.longest_retry_s)
        wait_s *= random.uniform(0.75, 1.0)  # noqa: S311 - spreads retries, protects nothing
        asked_s = min(failed.retry_after_s or 0.0, self._settings.longest_retry_s)
        return self._clock() + timedelta(seconds=max(wait_s, asked_s))

    def _message(self, delivery: ClaimedDelivery) -> Message:
        match delivery.destination:
            case "slack":
                return Message(_set(self._secrets.slack_webhook_url), slack_blocks(delivery), delivery.message_id)
            case "pagerduty":
                event = pagerduty_event(delivery, _set(self._secrets.pagerduty_routing_key))
                return Message(self._settings.pagerduty_url, event, delivery.message_id)
            case "webhook":
                secret = _set(self._secrets.alert_webhook_secret)
                document = webhook_document(delivery)
                return Message(_set(self._secrets.alert_webhook_url), document, delivery.message_id, secret)


def _set(secret: SecretStr | None) -> str:
    """A destination that was configured when the alert was written may not be any more."""
    if secret is None:
        raise WebhookFailed("this destination is not configured any more")
    return secret.get_secret_value()
