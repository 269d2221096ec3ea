"""What comes from the process's environment: secrets, and the name of the settings' block. Nothing else reads it."""

import os
from collections.abc import Mapping
from functools import cache
from typing import Self

from pydantic import BaseModel, ConfigDict, HttpUrl, SecretStr, ValidationError, model_validator

from infra.operation_settings import Destination
from infra.settings_types import SettingsError

ENVIRONMENT_VARIABLE = "LIFT_SYS_ENV"


def named_environment() -> str | None:
    """The block of the settings that `LIFT_SYS_ENV` names."""
    return os.environ.get(ENVIRONMENT_VARIABLE) or None


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
