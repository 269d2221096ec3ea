"""The proofs' own tools: installed into an environment apart, so that they and the product may disagree on versions."""

import hashlib
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REQUIREMENTS = Path(__file__).with_name("requirements.txt")
HOME = ROOT / ".local" / "proofs"


def tool(name: str) -> Path:
    """The program `name` of one of the tools, installed if need be."""
    stamp, wanted = HOME / ".installed", hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("Installing the proofs' tools ...", flush=True)
        venv.create(HOME, with_pip=True)
        command = [str(HOME / "bin" / "pip"), "install", "-q", "-r", str(REQUIREMENTS)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - pinned by us
        if done.returncode != 0:
            raise RuntimeError(done.stderr)
        stamp.write_text(wanted)
    return HOME / "bin" / name
