"""What is deployed, in another directory and with other settings."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]


def copy_of_the_tree(directory: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """What is deployed, in `directory`, with the settings as `change` leaves them."""
    shutil.copy(REPOSITORY / "modal_app.py", directory)
    without = shutil.ignore_patterns("__pycache__", "local")
    for package in ("functions", "endpoints", "infra"):
        shutil.copytree(REPOSITORY / package, directory / package, ignore=without)
    file = directory / "infra" / "deployment_settings.json"
    settings = json.loads(file.read_text())
    change(settings)
    file.write_text(json.dumps(settings))
    return directory
