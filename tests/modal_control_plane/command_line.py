"""The real `modal` command, in a process of its own, pointed at a loopback control plane."""

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Finished:
    """How a command ended, with all that it printed."""

    status: int
    output: str


async def modal_command(
    server_url: str, *arguments: str, variables: dict[str, str], directory: Path = REPOSITORY, timeout_s: float = 60.0
) -> Finished:
    """Run `modal <arguments>` in `directory`. Of this process's environment, it sees only the search paths."""
    async with modal_process(server_url, *arguments, variables=variables, directory=directory) as process:
        async with asyncio.timeout(timeout_s):
            output, _ = await process.communicate()
        return Finished(process.returncode or 0, output.decode())


@asynccontextmanager
async def modal_process(
    server_url: str, *arguments: str, variables: dict[str, str], directory: Path = REPOSITORY
) -> AsyncIterator[asyncio.subprocess.Process]:
    """As `modal_command`, while it runs; it is killed at the end of the block, if it has not ended."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "COLUMNS": "200",
        "PYTHONPATH": str(directory),
        "PYTHONWARNINGS": "error",
        "MODAL_SERVER_URL": server_url,
        "MODAL_TOKEN_ID": "ak-loopback",
        "MODAL_TOKEN_SECRET": "as-loopback",
        "MODAL_CONFIG_PATH": "/nonexistent",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "modal", *arguments),
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        preexec_fn=_hear_interrupts,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def _hear_interrupts() -> None:
    """Of a shell's background jobs SIGINT is ignored, and a child inherits that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def copy_of_the_tree(directory: Path, change: Callable[[dict[str, Any]], None] = lambda _: None) -> Path:
    """What is deployed, in `directory`, with the settings as `change` leaves them."""
    shutil.copy(REPOSITORY / "modal_app.py", directory)
    for package in ("functions", "endpoints", "infra"):
        shutil.copytree(
            REPOSITORY / package, directory / package, ignore=shutil.ignore_patterns("__pycache__", "local")
        )
    file = directory / "infra" / "deployment_settings.json"
    settings = json.loads(file.read_text())
    change(settings)
    file.write_text(json.dumps(settings))
    return directory
