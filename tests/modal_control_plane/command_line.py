"""The real `modal` command, in a process of its own, pointed at a loopback control plane."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import CompletedProcess

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


async def modal_command(
    server_url: str, *arguments: str, variables: dict[str, str], directory: Path = REPOSITORY
) -> CompletedProcess[str]:
    """Run `modal <arguments>` in `directory`. Of this process's environment, it sees only the search paths."""
    async with modal_process(server_url, *arguments, variables=variables, directory=directory) as process:
        async with asyncio.timeout(TIMEOUT_S):
            output, _ = await process.communicate()
        return CompletedProcess(arguments, process.returncode or 0, output.decode())


@asynccontextmanager
async def modal_process(
    server_url: str, *arguments: str, variables: dict[str, str], directory: Path
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
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "modal", *arguments),
        cwd=directory,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        # Of a shell's background jobs SIGINT is ignored, and a child inherits that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
