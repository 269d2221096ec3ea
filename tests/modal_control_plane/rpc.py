"""Modal's gRPC services, the sandboxes' with it, over plain methods, named as their calls."""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import sentinel

import jwt
from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.const import Handler
from grpclib.server import Server, Stream
from modal_proto.api_grpc import ModalClientBase
from modal_proto.task_command_router_grpc import TaskCommandRouterBase

Reply = Message | Mapping[str, Any]
"""What a method answers, or yields where it answers by a stream: the message, or its fields."""
TOKEN = jwt.encode({"exp": 4_000_000_000}, "k" * 32, algorithm="HS256")
"""What Modal's client takes for a token: it reads when it ends, and nothing else."""
NOTED = ("AppHeartbeat", "ClientHello", "ContainerHello", "TaskList", "TaskResult", "VolumeCommit", "VolumeReload")
ENVIRONMENT = {"name": "main", "settings": {"image_builder_version": "2025.06"}}
ALWAYS: dict[str, Reply] = {
    "AuthTokenGet": {"token": TOKEN},
    "EnvironmentGetOrCreate": {"environment_id": "en-0000", "metadata": ENVIRONMENT},
    "WorkspaceNameLookup": {"workspace_name": "loopback"},
    **{name: {} for name in NOTED},
}
"""What is answered to any request."""


@asynccontextmanager
async def served(*parts: object, socket: Path | None = None) -> AsyncIterator[str]:
    """Serve calls on a free port of 127.0.0.1, or on a Unix socket; yields the address as Modal's client takes it.

    Of the parts, the first one that has a method for a call answers it. A call that is none of theirs, nor in ALWAYS,
    answers UNIMPLEMENTED, and fails the test at the end of the block.
    """
    unknown: list[str] = []
    server = Server([_Service(parts, of, unknown) for of in (ModalClientBase, TaskCommandRouterBase)])
    if socket is not None:
        await server.start(path=str(socket))
        address = f"unix://127.0.0.1{socket}"  # by the host, the client knows that all of this is on one machine
    else:
        await server.start("127.0.0.1", 0)
        listening = server._server  # grpclib has no public way to learn the port it was given
        assert listening is not None
        address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield address
    finally:
        server.close()
        await server.wait_closed()
    assert not unknown, unknown


@dataclass
class _Service:
    parts: tuple[object, ...]
    of: Any
    unknown_calls: list[str]

    def __mapping__(self) -> dict[str, Handler]:
        known: dict[str, Handler] = self.of.__mapping__(sentinel)  # it only takes attributes from it
        return {
            path: handler._replace(func=self._answering(path.rpartition("/")[2], handler.reply_type))
            for path, handler in known.items()
        }

    def _answering(self, name: str, reply: type[Message]) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        method = next((getattr(part, name) for part in self.parts if hasattr(part, name)), None)

        def message(said: Reply) -> Message:
            return said if isinstance(said, Message) else reply(**said)

        async def answer(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            if inspect.isasyncgenfunction(method):
                async for said in method(request):
                    await stream.send_message(message(said))
            elif method is not None:
                await stream.send_message(message(await method(request)))
            elif name in ALWAYS:
                await stream.send_message(message(ALWAYS[name]))
            else:
                self.unknown_calls.append(name)
                raise GRPCError(Status.UNIMPLEMENTED, f"the loopback control plane has no {name}")

        return answer
