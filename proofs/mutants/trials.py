"""Copies of the tree, each with a worker that tries mutants in it, one at a time."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from proofs.tools import ROOT

HOME = ROOT / ".local" / "mutants"


class Bench:
    """One copy and its worker. Tracked files and new ones, as they are now: whoever works in the tree may go on."""

    def __init__(self, number: int) -> None:
        self.tree = HOME / f"tree-{number}"
        self.digest = _copy(self.tree)
        self._worker = subprocess.Popen(
            [sys.executable, "-m", "proofs.mutants.worker"],
            cwd=self.tree,
            env=os.environ | {"PYTHONPATH": str(HOME / "packages")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(HOME / f"worker-{number}.log").open("w"),
            text=True,
        )
        self._answer()

    def try_out(self, **trial: Any) -> dict[str, Any]:
        """See `worker`. Raises `RuntimeError` when the worker has died."""
        assert self._worker.stdin is not None
        self._worker.stdin.write(json.dumps(trial) + "\n")
        self._worker.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._worker.stdout is not None
        line = self._worker.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker in {self.tree} has died; its log lies beside it")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._worker.stdin is not None
        self._worker.stdin.close()
        self._worker.wait(60)


def _copy(tree: Path) -> str:
    """A digest of what was copied, but for the documents: figures are written there."""
    digest = hashlib.sha256()
    shutil.rmtree(tree, ignore_errors=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git, wherever it is
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
            if not name.startswith("docs/"):
                digest.update(name.encode() + (tree / name).read_bytes())
    (tree / ".local").mkdir()
    for each in (ROOT / ".local").iterdir():
        if each != HOME:
            (tree / ".local" / each.name).symlink_to(each)
    (tree / ".venv").symlink_to(ROOT / ".venv")
    return digest.hexdigest()[:12]
