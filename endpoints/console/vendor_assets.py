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
TESTS_VENDOR = Path(__file__).resolve().parents[2] / "tests" / "endpoints" / "console" / "vendor"


@dataclass(frozen=True)
class Package:
    """A pinned npm package, and the files of it that are served or that its licence asks for.

    They go to a folder `directory` (else of the package's name) below `below`.
    """

    name: str
    version: str
    sha512: str
    files: tuple[str, ...]
    directory: str = ""
    below: Path = VENDOR


PACKAGES = (
    Package(
        "swagger-ui-dist",
        "5.35.0",
        "U06rpMtW9V3XPGOBeamTUSr0Z09jMX4IJuANpE/EZbAhw0G8CgwrzU4YmXkn/h0wCDNsXdGarTNNHC3sU8yVUQ==",
        ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css", "LICENSE", "NOTICE"),
    ),
    Package(
        "htmx.org",
        "2.0.11",
        "Thx/WtpeOQqSrqBCw/A1cwGJGg4UrVa3+sW0GmrM3p4gJgO89ecH4qtbnyzDDWFvBTqjnIMCgELTNt636dtamA==",
        ("dist/htmx.min.js", "LICENSE"),
        "htmx",
    ),
    Package(
        "htmx-ext-sse",
        "2.2.4",
        "LJmxVhykyflBWgh5PvbRidcyuqMHlgfajmmzumvKctv9puvsufeH6OaejSMZTNTnEI8O2wXXn4ZZtBdpEMqmEQ==",
        ("dist/sse.min.js", "LICENSE"),
    ),
    Package(
        "@highlightjs/cdn-assets",
        "11.12.0",
        "KvOKXODaiFmId9xaq3xc5xCL66wVLUuOngDbO9B/kewbFTqdGbn2nJxNhN3H5R1cgDTVj6R8vH0zgiNDEGjpDw==",
        (
            "es/core.min.js",
            "es/languages/python.min.js",
            "es/languages/typescript.min.js",
            "es/languages/json.min.js",
            "LICENSE",
        ),
        "highlightjs",
    ),
    Package(
        "uplot",
        "1.6.32",
        "KIMVnG68zvu5XXUbC4LQEPnhwOxBuLyW1AHtpm6IKTXImkbLgkMy+jabjLgSLMasNuGGzQm/ep3tOkyTxpiQIw==",
        ("dist/uPlot.iife.min.js", "dist/uPlot.min.css", "LICENSE"),
    ),
    Package(
        "axe-core",
        "4.14.1",
        "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==",
        ("axe.min.js", "LICENSE", "LICENSE-3RD-PARTY.txt"),
        below=TESTS_VENDOR,
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
        target = package.below / (package.directory or package.name)
        with tarfile.open(archive) as tar:
            for name in package.files:
                member = tar.extractfile(f"package/{name}")
                if member is None:
                    raise ValueError(f"{archive.name} has no file {name}")
                file = target / Path(name).name
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(member.read())
    return target


if __name__ == "__main__":
    for wanted in PACKAGES:
        print(f"{wanted.name} {wanted.version} -> {fetch(wanted)}")  # noqa: T201 - a script for people
