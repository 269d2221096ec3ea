"""Modal's gRPC service over plain methods: a coroutine answers a unary call, an async generator a streaming one."""

import inspect
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from grpclib import GRPCError, Status
from grpclib.const import Handler
from grpclib.server import Server, Stream
from modal_proto.api_grpc import ModalClientBase

Call = Callable[[Stream[Any, Any]], Awaitable[None]]


class Service:
    """Methods named as Modal's calls, over any number of objects; the first object that has the method answers."""

    def __init__(self, *parts: object, of: Any = ModalClientBase) -> None:
        self._parts = parts
        self._of = of
        self.unknown_calls: list[str] = []

    def __mapping__(self) -> dict[str, Handler]:
        mapping: dict[str, Handler] = self._of.__mapping__(_Calls(self))  # it only takes attributes from it
        return mapping

    def call(self, name: str) -> Call:
        for part in self._parts:
            if method := getattr(part, name, None):
                return _streaming(method) if inspect.isasyncgenfunction(method) else _unary(method)

        async def unimplemented(_stream: Stream[Any, Any]) -> None:
            self.unknown_calls.append(name)
            raise GRPCError(Status.UNIMPLEMENTED, f"the loopback control plane has no {name}")

        return unimplemented


class _Calls:
    def __init__(self, service: Service) -> None:
        self._service = service

    def __getattr__(self, name: str) -> Call:
        return self._service.call(name)


def _unary(method: Callable[[Any], Awaitable[Any]]) -> Call:
    async def answer(stream: Stream[Any, Any]) -> None:
        await stream.send_message(await method(await stream.recv_message()))

    return answer


def _streaming(method: Callable[[Any], AsyncIterator[Any]]) -> Call:
    async def answer(stream: Stream[Any, Any]) -> None:
        async for message in method(await stream.recv_message()):
            await stream.send_message(message)

    return answer


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
