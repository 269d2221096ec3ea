"""Modal's gRPC service over plain methods, named as its calls."""

import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from grpclib import GRPCError, Status
from grpclib.const import Handler
from grpclib.server import Server, Stream
from modal_proto.api_grpc import ModalClientBase

Reply = Message | Mapping[str, Any]
"""What a method answers, or yields where it answers by a stream: the message, or its fields."""


class Service:
    """Calls that any of the objects has a method for: the first one answers.

    What an object names in ACKNOWLEDGED is answered with nothing.
    """

    def __init__(self, *parts: object, of: Any = ModalClientBase) -> None:
        self._parts = parts
        self._of = of
        self.unknown_calls: list[str] = []

    def __mapping__(self) -> dict[str, Handler]:
        known: dict[str, Handler] = self._of.__mapping__(_Anything())  # it only takes attributes from it
        return {
            path: handler._replace(func=self._answering(path.rpartition("/")[2], handler.reply_type))
            for path, handler in known.items()
        }

    def _answering(self, name: str, reply: type[Message]) -> Callable[[Stream[Any, Any]], Awaitable[None]]:
        method = next((getattr(part, name) for part in self._parts if hasattr(part, name)), None)
        is_acknowledged = any(name in getattr(part, "ACKNOWLEDGED", ()) for part in self._parts)

        def message(said: Reply) -> Message:
            return said if isinstance(said, Message) else reply(**said)

        async def answer(stream: Stream[Any, Any]) -> None:
            request = await stream.recv_message()
            if inspect.isasyncgenfunction(method):
                async for said in method(request):
                    await stream.send_message(message(said))
            elif method is not None:
                await stream.send_message(message(await method(request)))
            elif is_acknowledged:
                await stream.send_message(message({}))
            else:
                self.unknown_calls.append(name)
                raise GRPCError(Status.UNIMPLEMENTED, f"the loopback control plane has no {name}")

        return answer


class _Anything:
    def __getattr__(self, _name: str) -> None:
        return None


@asynccontextmanager
async def served(
    service: Service, *, socket: Path | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Serve on a free port of 127.0.0.1, or on a Unix socket; yields the address as Modal's client takes it."""
    server = Server([service])
    if socket is not None:
        await server.start(path=str(socket))
        address = f"unix://{socket}"
    else:
        await server.start("127.0.0.1", 0, ssl=tls)
        listening = server._server  # grpclib has no public way to learn the port it was given
        assert listening is not None
        address = f"{'https' if tls else 'http'}://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield address
    finally:
        server.close()
        await server.wait_closed()
