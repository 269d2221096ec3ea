"""Settings of what watches over the service: alerts, maintenance, the triggers of scale."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from infra.settings_types import Block, Count, NonNegative, Positive, Rate, WebAddress

Severity = Literal["critical", "warning", "info"]
Destination = Literal["slack", "pagerduty", "webhook"]
Measure = Literal[
    "cost_day_usd",
    "cost_month_usd",
    "cost_month_forecast_usd",
    "generation_day_usd",
    "error_rate",
    "latency_p95_s",
    "cache_hit_rate",
    "retry_rate",
    "failed_jobs",
    "late_jobs",
]


class AlertRule(Block):
    """When to alert: the measure is over `above`, or under `below`.

    It is over again at `clear_at`, on the good side of the threshold: a figure that wavers does not alert twice. Rates
    and latencies are judged from `at_least` generations on.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=60)]
    title: str
    measure: Measure
    severity: Severity
    above: float | None = None
    below: float | None = None
    clear_at: float
    at_least: NonNegative = 0

    @model_validator(mode="after")
    def _has_one_side(self) -> Self:
        if (self.above is None) == (self.below is None):
            raise ValueError("give either above or below")
        if (self.above is not None and self.clear_at > self.above) or (
            self.below is not None and self.clear_at < self.below
        ):
            raise ValueError("clear_at must not lie beyond the threshold")
        return self


class AlertSettings(Block):
    """Rules, and where alerts of a severity go.

    A delivery is tried `max_attempts` times, at intervals that double from `first_retry_s` up to `longest_retry_s`.
    `deliver` makes a deployment require the Modal secret `alerts` (`AlertSecrets`). `allow_private_addresses` lets
    webhooks go to machines of a private network, and without TLS.
    """

    deliver: bool
    window_s: Positive
    destinations: dict[Severity, list[Destination]]
    timeout_s: Positive
    max_attempts: Count
    first_retry_s: Positive
    longest_retry_s: Positive
    pagerduty_url: WebAddress
    allow_private_addresses: bool
    rules: list[AlertRule]


class DegradedSettings(Block):
    """What goes on while the database cannot be reached, if `enabled`: compiling, checking, raw generations.

    For callers whom the database vouched for within the last `verified_within_s`; each server lets each of them make
    `requests_per_minute`, and leave `allowance_usd` unsettled. Their use is kept in `outbox_directory`, which must
    outlive the process, and which holds at most `outbox_entries`.
    """

    enabled: bool
    verified_within_s: Positive
    requests_per_minute: Count
    allowance_usd: Positive
    outbox_directory: Annotated[str, Field(min_length=1)]
    outbox_entries: Count


class AvailabilitySettings(Block):
    """What is served while not everything is well.

    While `maintenance` says a reason nothing is changed, whatever the switch in the database says; else it is empty.
    """

    maintenance: Annotated[str, Field(max_length=500)]
    degraded: DegradedSettings


class MaintenanceSettings(Block):
    """How long things are kept, in days; `pending_hours` is when work that has not ended is taken for dead."""

    idle_session_days: Count
    event_days: Count
    operation_days: Count
    pending_hours: Count


class ScaleTriggerSettings(Block):
    """The triggers for leaving a single platform; what no figure shows is stated here, null where it is not known."""

    requests_per_month: Count
    sustained_months: Count
    egress_usd_per_month: Positive
    latency_s: Positive
    bill_usd_per_month: Positive
    months_of_data: Count
    outage_hours: Positive
    cost_spike_usd: Positive
    stated_egress_usd_per_month: Rate | None = None
    stated_latency_need_s: Positive | None = None
    stated_residency_need: bool = False
    stated_clear_return: bool = False
