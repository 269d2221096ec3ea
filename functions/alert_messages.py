"""An alert as its receivers want it: Slack's blocks, PagerDuty's events, and a document of our own."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from infra.operation_settings import Destination, Severity

LONGEST_SUMMARY = 1024  # PagerDuty's
LONGEST_SECTION = 3000  # Slack's
MOST_FIELDS = 10  # Slack's
LONGEST_FIELD = 2000

_EMOJI: Mapping[Severity, str] = {
    "critical": ":rotating_light:",
    "warning": ":warning:",
    "info": ":information_source:",
}


class AlertNews(BaseModel):
    """An alert, as an outbox delivery carries it."""

    model_config = ConfigDict(frozen=True)

    dedup_key: str
    environment: str
    rule: str
    severity: Severity
    message: str
    details: dict[str, Any]
    opened_at: datetime
    resolved_at: datetime | None


class ClaimedDelivery(BaseModel):
    """What is to be told to whom. From the second attempt on, the first may have arrived."""

    model_config = ConfigDict(frozen=True)

    id: int
    destination: Destination
    action: Literal["trigger", "resolve"]
    attempt: int
    alert: AlertNews

    @property
    def message_id(self) -> str:
        """The same for every attempt: a receiver knows a repetition by it."""
        return f"{self.alert.dedup_key}:{self.action}"


def slack_blocks(delivery: ClaimedDelivery) -> dict[str, Any]:
    """For an incoming webhook (https://docs.slack.dev/reference/block-kit).

    These know no keys, so that a repetition is shown as one, instead of being taken for a second alert.
    """
    alert = delivery.alert
    resolved = delivery.action == "resolve"
    mark = ":white_check_mark:" if resolved else _EMOJI[alert.severity]
    state = "Resolved" if resolved else alert.severity.capitalize()
    head = f"{mark} *{state}* in {_escaped(alert.environment)}: {_escaped(alert.message)}"
    fields = [
        {"type": "mrkdwn", "text": f"*{_escaped(name)}*\n{_escaped(str(value))}"[:LONGEST_FIELD]}
        for name, value in alert.details.items()
        if isinstance(value, str | int | float)
    ]
    context = f"rule `{alert.rule}` · since {_time(alert.opened_at)}"
    if resolved and alert.resolved_at is not None:
        context += f" until {_time(alert.resolved_at)}"
    if delivery.attempt > 1:
        context += " · sent again: the first attempt may have arrived"
    blocks: list[dict[str, Any]] = [{"type": "section", "text": {"type": "mrkdwn", "text": head[:LONGEST_SECTION]}}]
    if fields:
        blocks.append({"type": "section", "fields": fields[:MOST_FIELDS]})
    blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": context}]})
    return {"text": head[:LONGEST_SECTION], "blocks": blocks}


def pagerduty_event(delivery: ClaimedDelivery, routing_key: str) -> dict[str, Any]:
    """An event of the Events API v2; by its `dedup_key` a repetition is the same incident."""
    alert = delivery.alert
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": delivery.action,
        "dedup_key": alert.dedup_key,
    }
    if delivery.action == "trigger":
        event["payload"] = {
            "summary": alert.message[:LONGEST_SUMMARY],
            "source": f"lift-sys {alert.environment}",
            "severity": alert.severity,
            "timestamp": alert.opened_at.isoformat(),
            "component": alert.rule,
            "custom_details": alert.details,
        }
    return event


def webhook_document(delivery: ClaimedDelivery) -> dict[str, Any]:
    """For any other receiver: `type`, `timestamp` and `data`, as Standard Webhooks recommends."""
    alert = delivery.alert
    happened = alert.resolved_at if delivery.action == "resolve" and alert.resolved_at else alert.opened_at
    kind = "resolved" if delivery.action == "resolve" else "opened"
    return {
        "type": f"alert.{kind}",
        "timestamp": happened.isoformat(),
        "data": alert.model_dump(mode="json"),
    }


def _escaped(text: str) -> str:
    """Slack's three special characters: nobody is mentioned, and nothing linked, by a message's words."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M UTC")
