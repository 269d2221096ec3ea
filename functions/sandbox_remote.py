"""Where untrusted code runs on Modal: a sandbox of its own for each candidate, without network, gone afterwards.

It has the image of the web tier, and neither its secrets nor its volumes: what is in there is in the repository. Within
it the same program as on a laptop (`functions.sandbox_child`) holds the candidate, under the same limits, as a user
without privileges. No two candidates ever share a sandbox.
"""

import asyncio
import contextlib
import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Final

import modal
import structlog

from functions.failures import Unavailable
from functions.sandbox import (
    COMMAND,
    ENVIRONMENT,
    STARTING_S,
    ChildSandbox,
    GivenTests,
    JudgedBy,
    OwnTestsRun,
    Properties,
    SandboxResult,
    Search,
    as_sent,
    some_user_id,
)
from infra.settings import SandboxSettings

CREATION_S: Final = 30.0
"""How long a sandbox may take to be there. Modal says about a second; an image that was not used for long, more."""

_log = structlog.get_logger()


class ModalSandbox(ChildSandbox):
    """A `modal.Sandbox` of `app` for each candidate. `image` must be the one that this process runs in.

    `client` is Modal's, and its own by default.
    """

    def __init__(
        self,
        settings: SandboxSettings,
        *,
        app: modal.App,
        image: modal.Image,
        at_once: int = 16,
        client: modal.Client | None = None,
    ) -> None:
        super().__init__(settings, at_once=at_once)
        self._app = app
        self._image = image
        self._client = client
        self._ending: set[asyncio.Task[None]] = set()

    async def run(self, code: str, calls: Sequence[str]) -> SandboxResult:
        """See `ChildSandbox`; `isolated`, whatever the program in there found, by the platform."""
        return dataclasses.replace(await super().run(code, calls), isolated=True)

    async def search(self, code: str, properties: Properties) -> Search:
        """See `ChildSandbox` and `run`."""
        return dataclasses.replace(await super().search(code, properties), isolated=True)

    async def tested(self, code: str, tests: GivenTests) -> OwnTestsRun:
        """See `ChildSandbox` and `run`."""
        return dataclasses.replace(await super().tested(code, tests), isolated=True)

    async def close(self, *, within_s: float = 5) -> None:
        """Wait until the sandboxes have been told to end, as far as the time goes."""
        if self._ending:
            await asyncio.wait(self._ending, timeout=within_s)

    async def _report(self, work: dict[str, Any], judged_by: JudgedBy | None) -> bytes | SandboxResult:
        job = {**work, "uid": some_user_id(), "limits": self._limits()}
        try:
            async with asyncio.timeout(CREATION_S):
                sandbox = await self._new()
        except Exception as error:
            _log.warning("no sandbox", error=type(error).__name__, detail=str(error)[:500])
            raise Unavailable("the sandbox", "none could be started") from error
        try:
            async with asyncio.timeout(self._settings.wall_s + STARTING_S):
                return await self._exchange(sandbox, as_sent(job, judged_by))
        except TimeoutError:
            return self._timed_out()
        except Exception as error:
            _log.warning("a sandbox was lost", error=type(error).__name__, detail=str(error)[:500])
            raise Unavailable("the sandbox", "it was lost") from error
        finally:
            ending = asyncio.create_task(self._end(sandbox))  # not awaited: nobody waits for it
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)

    async def _new(self) -> modal.Sandbox:
        settings = self._settings
        longest_s = math.ceil(settings.wall_s + STARTING_S + CREATION_S)
        return await modal.Sandbox.create.aio(
            "sleep",
            str(longest_s),
            app=self._app,
            image=self._image,
            timeout=longest_s,  # it ends by itself where nobody is left to end it
            cpu=1.0,
            memory=(settings.memory_mib, 4 * settings.memory_mib),  # the judge and its servants each have a limit
            block_network=True,
            client=self._client,
        )

    async def _exchange(self, sandbox: modal.Sandbox, sent: bytes) -> bytes:
        null = modal.stream_type.StreamType.DEVNULL
        process = await sandbox.exec.aio(*COMMAND, stderr=null, env=dict(ENVIRONMENT), text=False)
        process.stdin.write(sent)
        process.stdin.write_eof()
        await process.stdin.drain.aio()
        output = bytearray()
        async with contextlib.aclosing(aiter(process.stdout)) as blocks:
            async for block in blocks:
                output += block
                if len(output) > self._settings.output_bytes:
                    break
        return bytes(output)

    async def _end(self, sandbox: modal.Sandbox) -> None:
        with contextlib.suppress(modal.exception.Error):  # its own time limit ends it, too
            await sandbox.terminate.aio()
            await sandbox.detach.aio()  # type: ignore[no-untyped-call] # its stub forgets what it returns
