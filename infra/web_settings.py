"""Settings of the public endpoint: its containers, what its users may do, what that costs, what is told of it."""

from typing import Annotated

from pydantic import Field

from infra.settings_types import Block, Count, NonNegative, Positive, Rate


class WebSettings(Block):
    """The public endpoint, and the containers that serve it on Modal.

    `trusted_proxies` stand between a client and whoever tells us its address: 0 on Modal, which tells it itself. Only
    so many entries of X-Forwarded-For are believed. `oauth_providers` are those that the Supabase project lets people
    sign in by, in its spelling ("github"), as the console offers them.
    """

    cpu: Positive
    memory_mib: Count
    min_containers: NonNegative
    max_containers: Count
    scaledown_window_s: Annotated[int, Field(ge=2, le=3600)]
    cors_origins: list[str]
    body_limit_bytes: Count
    large_body_limit_bytes: Count
    max_concurrent_requests: Count
    trusted_proxies: NonNegative
    requires_proxy_auth: bool
    custom_domains: list[str]
    oauth_providers: list[Annotated[str, Field(pattern="^[a-z][a-z0-9_]*$")]]


class LimitSettings(Block):
    """Defaults per user (per IP where there is no user); a row in the database overrides them."""

    reads_per_minute: Count
    generations_per_minute: Count
    expensive_per_hour: Count
    concurrent_generations: Count
    daily_budget_usd: Positive
    monthly_budget_usd: Positive


class PriceSettings(Block):
    """The price book: rates in US dollars with their date and source."""

    as_of: str
    source: str
    gpu_usd_per_hour: dict[str, Rate]
    cpu_usd_per_core_hour: Rate
    sandbox_usd_per_core_hour: Rate
    database_usd_per_month: Rate


class TelemetrySettings(Block):
    """`record_content` puts prompts and outputs into traces: off unless an operator says so.

    Of the traces that are not in `sample_ratio`, requests that failed (5xx) or took more than `slow_s` are sent as one
    span each.

    `export` makes a deployment require the Modal secret `telemetry`, which says where traces go (`TelemetryExport`).
    """

    record_content: bool
    sample_ratio: Annotated[float, Field(ge=0, le=1)]
    slow_s: Annotated[float, Field(gt=0)]
    export: bool
