"""Modal's sandboxes: what is asked of one is recorded, and its commands run as processes here, confined by nobody."""

import asyncio
import itertools
import signal
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
from grpclib import GRPCError, Status
from modal_proto import api_pb2
from modal_proto import task_command_router_pb2 as router_pb2
from modal_proto.task_command_router_grpc import TaskCommandRouterBase

from infra.local.tied_process import tied
from tests.modal_control_plane.rpc import Reply, Service, served

BLOCK_BYTES = 65_536
TOKEN = jwt.encode({"exp": 4_000_000_000}, "k" * 32, algorithm="HS256")
"""What Modal's client takes for a token: it reads when it ends, and nothing else."""


class Command:
    """A process, and what it has written: read at once, so that it never waits for its reader."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        self.stdin = process.stdin
        self.written = bytearray()
        self._process = process
        self._more = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def blocks(self) -> AsyncIterator[bytes]:
        sent = 0
        while sent < len(self.written) or not self._reader.done():
            if sent == len(self.written):
                self._more.clear()
                await self._more.wait()
            if block := bytes(self.written[sent : sent + BLOCK_BYTES]):
                sent += len(block)
                yield block

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        self.stdin.close()
        await self._reader
        await self._process.wait()

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while block := await self._process.stdout.read(BLOCK_BYTES):
            self.written += block
            self._more.set()
        asyncio.get_running_loop().call_soon(self._more.set)


class Sandboxes:
    """The sandboxes of a control plane, for as long as they are `open`."""

    def __init__(self) -> None:
        self.created: dict[str, api_pb2.Sandbox] = {}
        self.terminated: list[str] = []
        self.commands: list[list[str]] = []
        self.refuses = False
        self._router = ""
        self._ids = itertools.count()
        self._by_id: dict[str, Command] = {}
        self._of_task: defaultdict[str, list[Command]] = defaultdict(list)

    @asynccontextmanager
    async def open(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[None]:
        """`tls` is for clients in containers: to them the router is another machine."""
        service = Service(self, of=TaskCommandRouterBase)
        try:
            async with served(service, tls=tls) as self._router:
                yield
        finally:
            for task in list(self._of_task):
                await self._end(task)
        assert not service.unknown_calls, service.unknown_calls

    # --- what callers ask

    async def AuthTokenGet(self, _request: api_pb2.AuthTokenGetRequest) -> Reply:
        return {"token": TOKEN}

    async def SandboxCreateV2(self, request: api_pb2.SandboxCreateV2Request) -> Reply:
        if self.refuses:
            raise GRPCError(Status.FAILED_PRECONDITION, "no room for another sandbox")
        number = f"{next(self._ids):04d}"
        self.created[f"sb-{number}"] = request.definition
        router = {"url": self._router, "jwt": TOKEN}
        metadata = {"app_id": request.app_id}
        ids = {"sandbox_id": f"sb-{number}", "task_id": f"ta-{number}"}
        return {**ids, "metadata": metadata, "command_router_access": router}

    async def SandboxTerminateV2(self, request: api_pb2.SandboxTerminateRequest) -> Reply:
        self.terminated.append(request.sandbox_id)
        await self._end(request.sandbox_id.replace("sb-", "ta-"))
        return {}

    async def _end(self, task_id: str) -> None:
        for command in self._of_task.pop(task_id, []):
            await command.end()

    # --- what is asked of the worker's own service, the router: commands, and their pipes

    async def TaskExecStart(self, request: router_pb2.TaskExecStartRequest) -> Reply:
        self.commands.append(list(request.command_args))
        sources = [source.env.contents for source in request.secret_sources if source.HasField("env")]
        process = await asyncio.create_subprocess_exec(
            *tied(list(request.command_args), ending=signal.SIGKILL),
            env={name: value for source in sources for name, value in source.items()},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        self._by_id[request.exec_id] = command = Command(process)
        self._of_task[request.task_id].append(command)
        return {}

    async def TaskExecStdinWrite(self, request: router_pb2.TaskExecStdinWriteRequest) -> Reply:
        stdin = self._by_id[request.exec_id].stdin
        stdin.write(request.data)
        if request.eof:
            stdin.write_eof()
        return {}

    async def TaskExecStdioRead(self, request: router_pb2.TaskExecStdioReadRequest) -> AsyncIterator[Reply]:
        async for block in self._by_id[request.exec_id].blocks():
            yield {"data": block}
