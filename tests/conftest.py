"""What every test may use: the settings, the model behind the validator, the engine and the database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from functions import reverse
from functions.cache import FileStore
from functions.constraints import compilation
from functions.sentence_model import SentenceModel
from functions.validation import ConstraintValidator
from infra.settings import Settings, load_settings

# How fast a machine is, and how busy, is no property of the code.
# The same inputs each time: what a change breaks is broken where it was made. --hypothesis-profile=explore has others.
_UNTIMED = hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.register_profile("explore", _UNTIMED)
hypothesis_settings.register_profile("repeatable", _UNTIMED, derandomize=True, database=None)
hypothesis_settings.load_profile("repeatable")

pytest_plugins = ["tests.database_fixtures", "tests.data_fixtures", "tests.engine_fixtures"]


@pytest.fixture(scope="session")
def settings() -> Settings:
    return load_settings("local")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """What processes may share, for one test."""
    return FileStore(tmp_path / "cache", max_bytes=2**24)


@pytest.fixture(scope="session")
def embedder() -> SentenceModel:
    """The sentence model, loaded when it is first asked."""
    return SentenceModel()


@pytest.fixture(scope="session")
async def validator(settings: Settings, model_path: Path) -> AsyncIterator[ConstraintValidator]:
    validator = ConstraintValidator(
        settings.validation, model_path / "tokenizer.json", modules=(*compilation.MODULES, *reverse.MODULES)
    )
    await validator.start()
    yield validator
    await validator.close()
