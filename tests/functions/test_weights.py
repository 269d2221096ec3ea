from pathlib import Path

import pytest

from functions.failures import EngineUnavailable
from functions.weights import COMPLETE, complete_weights, weights_path
from infra.settings import EngineSettings, Settings


def test_weights_that_are_not_complete_are_not_used_and_the_error_says_what_to_run(engine_settings: EngineSettings):
    weights_path(engine_settings).mkdir(parents=True)
    with pytest.raises(EngineUnavailable, match=r"LIFT_SYS_ENV=staging modal run modal_app\.py::prepare"):
        complete_weights(engine_settings, "staging")


def test_models_and_revisions_live_side_by_side(engine_settings: EngineSettings):
    other = engine_settings.model_copy(update={"revision": "0123abc"})
    weights_path(engine_settings).mkdir(parents=True)
    (weights_path(engine_settings) / COMPLETE).touch()
    assert complete_weights(engine_settings, "staging") == weights_path(engine_settings)
    with pytest.raises(EngineUnavailable):
        complete_weights(other, "staging")


@pytest.fixture
def engine_settings(settings: Settings, tmp_path: Path) -> EngineSettings:
    return settings.engine.model_copy(update={"weights_directory": str(tmp_path)})
