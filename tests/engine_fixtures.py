"""The real model and the one engine of a test run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from functions.engine import Engine
from infra.local.model import prepare_model
from infra.settings import load_settings

MODEL = Path(__file__).resolve().parents[1] / ".local" / "model"


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The model's directory; prepared if it is not."""
    return prepare_model(MODEL)


@pytest.fixture(scope="session")
async def engine(model_path: Path) -> AsyncIterator[Engine]:
    """A ready engine, shared by all tests: a test that kills it waits until it is ready again."""
    engine = Engine(load_settings("local").engine, model_path)
    await engine.start()
    yield engine
    await engine.stop()
