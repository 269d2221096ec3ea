"""What is installed in production, as a CycloneDX document, and whether a vulnerability of it is known (pip-audit).

`python -m proofs.dependencies`: writes .local/sbom.json. Exits 1 when a vulnerability is known, 2 when the service that
knows (OSV, over HTTPS) cannot be reached: then nothing is known, which is not the same as well.
"""

import json
import subprocess
import sys
from pathlib import Path

from proofs.tools import ROOT, tool

LOCKS = ("web.lock", "engine.lock", "embedding.lock")
SBOM = ROOT / ".local" / "sbom.json"


def main() -> int:
    locks = [lock for name in LOCKS if (lock := ROOT / "infra" / "requirements" / name).exists()]
    arguments = ["requirements", "--output-format", "JSON", "--spec-version", "1.6"]
    pinned = "\n".join(lock.read_text() for lock in locks)
    together = _written(
        SBOM.with_name("audited.txt"), "\n".join(sorted({line for line in pinned.splitlines() if line}))
    )
    made = _run([str(tool("cyclonedx-py")), *arguments, "--output-file", str(SBOM), str(together)])
    if made.returncode != 0:
        print(made.stderr)
        return 1
    print(
        f"{len(json.loads(SBOM.read_text())['components'])} components of {', '.join(LOCKS)}: {SBOM.relative_to(ROOT)}"
    )
    options = ["--no-deps", "--disable-pip", "--vulnerability-service", "osv", "--progress-spinner", "off"]
    audit = _run([str(tool("pip-audit")), *options, "--requirement", str(together)])
    print(audit.stdout + audit.stderr.strip().rpartition("\n")[2])
    if audit.returncode != 0 and "found" not in audit.stderr.lower():
        print("the service that knows vulnerabilities could not be asked: nothing is known")
        return 2
    return audit.returncode


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - our tools, our files


def _written(file: Path, text: str) -> Path:
    file.parent.mkdir(exist_ok=True)
    file.write_text(text + "\n")
    return file


if __name__ == "__main__":
    sys.exit(main())
