"""Modal's sandboxes: what is asked of one is recorded, and its commands run as processes here, confined by nobody."""

import asyncio
import signal
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import suppress

from grpclib import GRPCError, Status
from modal_proto import api_pb2
from modal_proto import task_command_router_pb2 as router_pb2

from infra.local.tied_process import tied
from tests.modal_control_plane.rpc import TOKEN, Reply

BLOCK_BYTES = 65_536
BUFFER_BYTES = 1 << 30
"""What a command writes is read at once, so that it never waits for its reader."""


class Sandboxes:
    """The sandboxes of a control plane, which is also their `router`: what commands and their pipes are asked of."""

    def __init__(self) -> None:
        self.created: dict[str, api_pb2.Sandbox] = {}
        self.terminated: list[str] = []
        self.commands: list[list[str]] = []
        self.refuses = False
        self.router = ""
        self._commands: dict[str, asyncio.subprocess.Process] = {}
        self._of_task: defaultdict[str, list[asyncio.subprocess.Process]] = defaultdict(list)

    async def close(self) -> None:
        for task in list(self._of_task):
            await self._end(task)

    async def SandboxCreateV2(self, request: api_pb2.SandboxCreateV2Request) -> Reply:
        if self.refuses:
            raise GRPCError(Status.FAILED_PRECONDITION, "no room for another sandbox")
        number = f"{len(self.created):04d}"
        self.created[f"sb-{number}"] = request.definition
        return {
            "sandbox_id": f"sb-{number}",
            "task_id": f"ta-{number}",
            "metadata": {"app_id": request.app_id},
            "command_router_access": {"url": self.router, "jwt": TOKEN},
        }

    async def SandboxTerminateV2(self, request: api_pb2.SandboxTerminateRequest) -> Reply:
        self.terminated.append(request.sandbox_id)
        await self._end(request.sandbox_id.replace("sb-", "ta-"))
        return {}

    async def _end(self, task_id: str) -> None:
        for process in self._of_task.pop(task_id, []):
            with suppress(ProcessLookupError):  # it has ended
                process.kill()
            await process.wait()

    async def TaskExecStart(self, request: router_pb2.TaskExecStartRequest) -> Reply:
        self.commands.append(list(request.command_args))
        sources = [source.env.contents for source in request.secret_sources if source.HasField("env")]
        process = await asyncio.create_subprocess_exec(
            *tied(list(request.command_args), ending=signal.SIGKILL),
            env={name: value for source in sources for name, value in source.items()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=BUFFER_BYTES,
        )
        self._commands[request.exec_id] = process
        self._of_task[request.task_id].append(process)
        return {}

    async def TaskExecStdinWrite(self, request: router_pb2.TaskExecStdinWriteRequest) -> Reply:
        stdin = self._commands[request.exec_id].stdin
        assert stdin is not None
        stdin.write(request.data)
        if request.eof:
            stdin.write_eof()
        return {}

    async def TaskExecStdioRead(self, request: router_pb2.TaskExecStdioReadRequest) -> AsyncIterator[Reply]:
        stdout = self._commands[request.exec_id].stdout
        assert stdout is not None
        while block := await stdout.read(BLOCK_BYTES):
            yield {"data": block}
