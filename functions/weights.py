"""The model's weights on disk, by pinned revision: where they are, whether they are complete, how they get there."""

from pathlib import Path
from typing import Final

from functions.failures import EngineUnavailable
from infra.settings import EngineSettings

_COMPLETE: Final = ".complete"


def weights_path(settings: EngineSettings) -> Path:
    """The directory of this model at this revision. Models and revisions live side by side."""
    return Path(settings.weights_directory) / settings.model / settings.revision


def complete_weights(settings: EngineSettings, environment: str) -> Path:
    """The directory, once it is complete. Raises `EngineUnavailable`, saying what to run."""
    path = weights_path(settings)
    if not (path / _COMPLETE).exists():
        command = f"LIFT_SYS_ENV={environment} modal run modal_app.py::prepare"
        raise EngineUnavailable("the model", f"its weights are not in the Volume yet; run: {command}", retry_after_s=60)
    return path


def download_weights(settings: EngineSettings) -> Path:
    """Fetch from the Hugging Face Hub what is missing; what is there, whole or in part, is not fetched again."""
    path = weights_path(settings)
    if not (path / _COMPLETE).exists():
        from huggingface_hub import snapshot_download  # noqa: PLC0415 - only where weights are fetched

        snapshot_download(settings.model, revision=settings.revision, local_dir=path, allow_patterns=_NEEDED)
        (path / _COMPLETE).touch()
    return path


_NEEDED: Final = ["*.json", "*.txt", "*.jinja", "*.safetensors"]
