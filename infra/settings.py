"""The typed settings of one environment, and by what everybody gets them and the secrets.

`deployment_settings.json` holds a `shared` block and one block per environment, whose values win, key by key.
A value that is missing, unknown or wrong is refused with its JSON path.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from infra.engine_settings import (
    AnswerCacheSettings,
    EngineSettings,
    GenerationSettings,
    KeepAliveSettings,
    PromptSettings,
    SandboxSettings,
    ScalingSettings,
    ValidationSettings,
    WarmHours,
)
from infra.environment import (
    ENVIRONMENT_VARIABLE,
    AlertSecrets,
    Secrets,
    TelemetryExport,
    apply_process_environment,
    database_url,
    has_own_supabase,
    load_alert_secrets,
    load_secrets,
    load_smoke_headers,
    load_telemetry_export,
    named_environment,
    serving_port,
)
from infra.operation_settings import AlertSettings, AvailabilitySettings, MaintenanceSettings, ScaleTriggerSettings
from infra.settings_types import Block, SettingsError
from infra.web_settings import LimitSettings, PriceSettings, TelemetrySettings, WebSettings

__all__ = [
    "ENVIRONMENT_VARIABLE",
    "SETTINGS_FILE",
    "AlertSecrets",
    "AnswerCacheSettings",
    "EngineSettings",
    "GenerationSettings",
    "KeepAliveSettings",
    "LimitSettings",
    "PriceSettings",
    "PromptSettings",
    "SandboxSettings",
    "ScalingSettings",
    "Secrets",
    "Settings",
    "SettingsError",
    "TelemetryExport",
    "TelemetrySettings",
    "ValidationSettings",
    "WarmHours",
    "WebSettings",
    "apply_process_environment",
    "database_url",
    "has_own_supabase",
    "load_alert_secrets",
    "load_deployed_settings",
    "load_secrets",
    "load_settings",
    "load_smoke_headers",
    "load_telemetry_export",
    "serving_port",
]

SETTINGS_FILE = Path(__file__).with_name("deployment_settings.json")


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


def load_settings(environment: str | None = None, *, file: Path = SETTINGS_FILE) -> Settings:
    """Settings of `environment`, else of the one that `LIFT_SYS_ENV` names, else of `local`.

    Raises `SettingsError`.
    """
    name = environment or named_environment() or "local"
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


def load_deployed_settings() -> Settings:
    """Settings of an app on Modal: its environment is always named, never assumed. Raises `SettingsError`."""
    if not named_environment():
        raise SettingsError(
            f"{ENVIRONMENT_VARIABLE} is not set: say which environment to deploy, for instance "
            f"{ENVIRONMENT_VARIABLE}=staging modal deploy modal_app.py"
        )
    settings = load_settings()
    if settings.environment == "local":
        raise SettingsError(f"environment 'local' is for a laptop (make serve); set {ENVIRONMENT_VARIABLE} to another")
    return settings


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
