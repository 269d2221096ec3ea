"""The model's weights on disk, by pinned revision: where they are, and whether they are complete."""

from pathlib import Path
from typing import Final

from functions.failures import EngineUnavailable
from infra.settings import EngineSettings

COMPLETE: Final = ".complete"
"""A file that is there when all others are."""


def weights_path(settings: EngineSettings) -> Path:
    """The directory of this model at this revision. Models and revisions live side by side."""
    return Path(settings.weights_directory) / settings.model / settings.revision


def complete_weights(settings: EngineSettings, environment: str) -> Path:
    """The directory, once it is complete. Raises `EngineUnavailable`, saying what to run."""
    path = weights_path(settings)
    if not (path / COMPLETE).exists():
        command = f"LIFT_SYS_ENV={environment} modal run modal_app.py::prepare"
        raise EngineUnavailable("the model", f"its weights are not in the Volume yet; run: {command}", retry_after_s=60)
    return path
