"""The web tier where a platform starts it: services begin and end with the server's lifespan, traces are exported."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from endpoints.app import create_app_of
from endpoints.composition import compose
from endpoints.services import Services
from functions.generation import EngineClient
from infra.logging_setup import configure_logging
from infra.settings import Settings, load_secrets, load_telemetry_export
from infra.telemetry import exported


def deployed_app(settings: Settings, engine: EngineClient, tokenizer_file: Path) -> FastAPI:
    """An application that composes itself at start-up. Raises `SettingsError` when a secret is missing."""
    secrets = load_secrets()
    export = load_telemetry_export()

    @asynccontextmanager
    async def services() -> AsyncIterator[Services]:
        configure_logging()
        with exported("lift-sys-web", settings.environment, settings.telemetry, export):
            async with compose(settings, secrets, engine, tokenizer_file) as composed:
                yield composed

    return create_app_of(settings.web, services)
