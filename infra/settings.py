"""The typed settings of one environment, and the secrets: the only place that reads environment variables.

`deployment_settings.json` holds a `shared` block and one block per environment, whose values win, key by key.
A value that is missing, unknown or wrong is refused with its JSON path.
"""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, ValidationError, model_validator

from infra.operation_settings import (
    AlertSettings,
    AvailabilitySettings,
    Destination,
    MaintenanceSettings,
    ScaleTriggerSettings,
)
from infra.settings_types import Block, Count, NonNegative, Positive, Rate

SETTINGS_FILE = Path(__file__).with_name("deployment_settings.json")
ENVIRONMENT_VARIABLE = "LIFT_SYS_ENV"


class SettingsError(Exception):
    """The settings cannot be used; the message names the JSON path or the variable, and what would be right."""


class EngineSettings(Block):
    """What vLLM is started with. `gpu` lists Modal GPU types in order of preference; empty means CPU.

    At most `forced_tokens` tokens that a grammar leaves no choice about are taken in one step; 0: each is decoded.
    `revision` is a commit of the model's repository; `weights_directory` is where Modal's Volume of weights is mounted.
    """

    device: Literal["cuda", "cpu"]
    gpu: list[str]
    model: str
    revision: str
    dtype: Literal["bfloat16", "float16"]
    max_model_len: Count
    max_num_seqs: Count
    gpu_memory_utilization: Annotated[float, Field(gt=0, lt=1)]
    enforce_eager: bool
    sleep_level: Annotated[int, Field(ge=0, le=2)]
    forced_tokens: Annotated[int, Field(ge=0, le=64)]
    startup_timeout_s: Positive
    process_environment: dict[str, str] = Field(default_factory=dict)
    weights_directory: str = "/models"


class GenerationSettings(Block):
    """Defaults of a generation request, and its upper bounds."""

    temperature: Annotated[float, Field(ge=0, le=2)]
    max_tokens: Count
    timeout_s: Positive


class PromptSettings(Block):
    """Versions of the prompts in service, each with its weight: of two with 9 and 1 the second gets each tenth request.

    A version is the name of a file of `functions/prompts`.
    """

    specify: Annotated[dict[str, Positive], Field(min_length=1)]
    implement: Annotated[dict[str, Positive], Field(min_length=1)]


class AnswerCacheSettings(Block):
    """Answers to deterministic requests (temperature 0, or a seed), kept for `max_age_s`.

    `shared_between_users` lets anybody's answer serve everybody who asks the same: how fast an answer comes then tells
    whether somebody has asked before.
    """

    enabled: bool
    shared_between_users: bool
    max_age_s: Positive


class ValidationSettings(Block):
    """Limits of the child processes in which a request's constraint is tried before an engine sees it.

    A constraint that needs more than `cpu_s` of CPU time is refused; one that has no answer after `timeout_s` met a
    busy machine, and may come again.
    """

    processes: Count
    cpu_s: Positive
    timeout_s: Positive
    max_waiting: Count
    memory_mib: Count
    cached_verdicts: Count
    max_source_bytes: Count


class SandboxSettings(Block):
    """Limits of the process in which generated code runs, and where it is.

    `on_modal` puts each candidate into a `modal.Sandbox` of its own; else it is a process beside the web server.
    """

    on_modal: bool
    wall_s: Positive
    cpu_s: Count
    memory_mib: Count
    processes: Count
    output_bytes: Count


class ScalingSettings(Block):
    """Modal's autoscaler and snapshots for the engine class.

    A request waits `cold_start_wait_s` for an engine that is starting; then it is answered 503 with Retry-After.
    """

    min_containers: NonNegative
    max_containers: Count
    buffer_containers: NonNegative
    scaledown_window_s: Annotated[int, Field(ge=2, le=3600)]
    max_concurrent_inputs: Count
    target_concurrent_inputs: Count
    memory_snapshot: bool
    gpu_snapshot: bool
    cold_start_wait_s: Positive
    region: str | None = None


class WarmHours(Block):
    """Hours of certain days (0 is Monday) in which `containers` engines are kept warm; `until_hour` is not included."""

    days: list[Annotated[int, Field(ge=0, le=6)]]
    from_hour: Annotated[int, Field(ge=0, le=23)]
    until_hour: Annotated[int, Field(ge=1, le=24)]
    containers: Count


class KeepAliveSettings(Block):
    """When engines are kept warm: `learned` from the requests of the last `history_days`, or by a timetable alone.

    The timetable is in `timezone` (an IANA name); empty, it keeps `min_containers`. It is also followed while fewer
    than `few_idle_times` were seen. A second that a user waits for an engine is worth `waited_usd_per_s`; a cold engine
    is ready after `cold_start_s`. Nothing but `min_containers` idles any longer on a day (in `timezone`) on which
    idling has cost `daily_warm_budget_usd`.
    """

    policy: Literal["learned", "timetable"]
    timezone: str
    warm_hours: list[WarmHours]
    waited_usd_per_s: Positive
    cold_start_s: Positive
    daily_warm_budget_usd: Rate
    few_idle_times: Count
    history_days: Count


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


class Settings(Block):
    """Everything that differs between environments."""

    environment: str
    engine: EngineSettings
    generation: GenerationSettings
    prompts: PromptSettings
    answer_cache: AnswerCacheSettings
    validation: ValidationSettings
    sandbox: SandboxSettings
    scaling: ScalingSettings
    keep_alive: KeepAliveSettings
    web: WebSettings
    limits: LimitSettings
    prices: PriceSettings
    alerts: AlertSettings
    availability: AvailabilitySettings
    maintenance: MaintenanceSettings
    scale_triggers: ScaleTriggerSettings
    telemetry: TelemetrySettings


class Secrets(BaseModel):
    """Values from the process's environment alone (Modal secrets; `.local/env` on a laptop), never from a file in git.

    A token for an API key's user is signed with `jwt_signing_key`: an ES256 private key as a JWK (JSON), or the
    project's HS256 secret.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    supabase_url: HttpUrl
    supabase_anon_key: SecretStr
    supabase_jwt_secret: SecretStr | None = None
    jwt_signing_key: SecretStr | None = None
    supabase_service_role_key: SecretStr | None = None


class AlertSecrets(BaseModel):
    """Where alerts go; what is not set gets none.

    `alert_webhook_secret` signs what goes to `alert_webhook_url`: `whsec_` and base64, as Standard Webhooks writes it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slack_webhook_url: SecretStr | None = None
    pagerduty_routing_key: SecretStr | None = None
    alert_webhook_url: SecretStr | None = None
    alert_webhook_secret: SecretStr | None = None

    @model_validator(mode="after")
    def _is_signed(self) -> Self:
        if (self.alert_webhook_url is None) != (self.alert_webhook_secret is None):
            raise ValueError("ALERT_WEBHOOK_URL and ALERT_WEBHOOK_SECRET go together")
        return self

    @property
    def destinations(self) -> frozenset[Destination]:
        """Those that are set."""
        given: dict[Destination, SecretStr | None] = {
            "slack": self.slack_webhook_url,
            "pagerduty": self.pagerduty_routing_key,
            "webhook": self.alert_webhook_url,
        }
        return frozenset(name for name, value in given.items() if value is not None)


class TelemetryExport(BaseModel):
    """Where traces go, by OpenTelemetry's own variable names; the headers are `name=value,name=value`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    otel_exporter_otlp_endpoint: HttpUrl
    otel_exporter_otlp_headers: SecretStr | None = None


def load_settings(environment: str | None = None, *, file: Path = SETTINGS_FILE) -> Settings:
    """Settings of `environment`, else of the one that `LIFT_SYS_ENV` names, else of `local`.

    Raises `SettingsError`.
    """
    name = environment or os.environ.get(ENVIRONMENT_VARIABLE) or "local"
    document = _read(file)
    blocks = document.get("environments", {})
    if name not in blocks:
        known = ", ".join(sorted(blocks))
        raise SettingsError(f"environment {name!r} is not in {file.name}; it has: {known}")
    merged = _merged(document.get("shared", {}), blocks[name])
    try:
        return Settings.model_validate({"environment": name, **merged})
    except ValidationError as error:
        raise SettingsError(_explain(error, file, name)) from None


@cache
def load_secrets() -> Secrets:
    """Secrets from the process's environment. Raises `SettingsError` naming the variables that are missing or wrong."""
    names = {field: field.upper() for field in Secrets.model_fields}
    try:
        return Secrets.model_validate({f: os.environ[v] for f, v in names.items() if os.environ.get(v)})
    except ValidationError as error:
        wrong = ", ".join(f"{names[str(e['loc'][0])]} ({e['msg']})" for e in error.errors())
        raise SettingsError(f"environment variables: {wrong}. On Modal they come from the secret 'supabase'.") from None


def load_telemetry_export() -> TelemetryExport | None:
    """From the process's environment; `None` where `OTEL_EXPORTER_OTLP_ENDPOINT` is not set. Raises `SettingsError`."""
    values = {f: os.environ.get(f.upper()) for f in TelemetryExport.model_fields}
    if not values["otel_exporter_otlp_endpoint"]:
        return None
    try:
        return TelemetryExport.model_validate({f: value for f, value in values.items() if value})
    except ValidationError as error:
        raise SettingsError(f"OTEL_EXPORTER_OTLP_ENDPOINT: {error.errors()[0]['msg']}") from None


def load_alert_secrets() -> AlertSecrets:
    """From the process's environment. Raises `SettingsError`."""
    values = {f: os.environ.get(f.upper()) for f in AlertSecrets.model_fields}
    try:
        return AlertSecrets.model_validate({f: value for f, value in values.items() if value})
    except ValidationError as error:
        raise SettingsError(f"{error.errors()[0]['msg']}. On Modal they come from the secret 'alerts'.") from None


def load_deployed_settings() -> Settings:
    """Settings of an app on Modal: its environment is always named, never assumed. Raises `SettingsError`."""
    if not os.environ.get(ENVIRONMENT_VARIABLE):
        raise SettingsError(
            f"{ENVIRONMENT_VARIABLE} is not set: say which environment to deploy, for instance "
            f"{ENVIRONMENT_VARIABLE}=staging modal deploy modal_app.py"
        )
    settings = load_settings()
    if settings.environment == "local":
        raise SettingsError(f"environment 'local' is for a laptop (make serve); set {ENVIRONMENT_VARIABLE} to another")
    return settings


def database_url() -> str:
    """Connection string of the database, for those who own it (migrations). Raises `SettingsError`."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise SettingsError(
            "environment variable DATABASE_URL is not set: postgresql://<user>:<password>@<host>/<database>"
        )
    return url


def load_smoke_headers() -> dict[str, str]:
    """Of requests that try a deployment: its API key, and Modal's proxy token where it asks for one.

    Raises `SettingsError` where there is half a token.
    """
    names = {"Modal-Key": "MODAL_PROXY_TOKEN_ID", "Modal-Secret": "MODAL_PROXY_TOKEN_SECRET"}
    headers = {header: os.environ[name] for header, name in names.items() if os.environ.get(name)}
    if len(headers) == 1:
        raise SettingsError("MODAL_PROXY_TOKEN_ID and MODAL_PROXY_TOKEN_SECRET go together")
    if key := os.environ.get("LIFT_SYS_API_KEY"):
        headers["Authorization"] = f"Bearer {key}"
    return headers


def serving_port() -> int:
    """Where the laptop's server listens: PORT, else 8000. Raises `SettingsError`."""
    port = os.environ.get("PORT") or "8000"
    if not port.isdecimal() or not 0 < int(port) < 65_536:  # noqa: PLR2004 - TCP's range
        raise SettingsError(f"environment variable PORT is {port!r}; a number from 1 to 65535 is right")
    return int(port)


def has_own_supabase() -> bool:
    """Whether the environment names a Supabase stack to use in the place of the embedded one."""
    return bool(os.environ.get("SUPABASE_URL"))


def apply_process_environment(variables: Mapping[str, str]) -> None:
    """Set what libraries read from the process's environment (vLLM's own switches); what is already set wins."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{file}: {error}") from None
    if not isinstance(document, dict):
        raise SettingsError(f"{file}: / must be an object")
    if unknown := document.keys() - {"shared", "environments"}:
        raise SettingsError(f"{file.name}: unknown key /{min(unknown)}; known are /shared and /environments")
    return document


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = _merged(base[key], value) if both else value
    return merged


def _explain(error: ValidationError, file: Path, environment: str) -> str:
    lines = [
        f"{file.name}: /environments/{environment}/{'/'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()
    ]
    return "\n".join(lines)
