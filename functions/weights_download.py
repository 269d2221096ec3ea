"""How a model's weights get to where `functions.weights` looks for them."""

from pathlib import Path
from typing import Final

from huggingface_hub import snapshot_download

from functions.weights import COMPLETE, weights_path
from infra.settings import EngineSettings

NEEDED: Final = ["*.json", "*.txt", "*.jinja", "*.safetensors"]


def download_weights(settings: EngineSettings) -> Path:
    """Fetch from the Hugging Face Hub what is missing; what is there, whole or in part, is not fetched again."""
    path = weights_path(settings)
    if not (path / COMPLETE).exists():
        snapshot_download(settings.model, revision=settings.revision, local_dir=path, allow_patterns=NEEDED)
        (path / COMPLETE).touch()
    return path
