"""A TCP relay on loopback that can be told to fail the way networks and servers fail, without the packets' help."""

import asyncio
import contextlib
from typing import Literal, Self

HOST = "127.0.0.1"
CHUNK = 65_536
BACKLOG = 1_024

Mode = Literal["through", "slow", "refusing", "half-open", "resetting", "wrong"]

WRONG = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 22\r\n\r\n<html>It works!</html>"


class Relay:
    """Stands before `port` of this machine. `mode` holds for every connection, from the next byte on.

    through: bytes pass. slow: each piece of an answer waits `delay_s`. refusing: no connection is taken (the port is
    closed). half-open: connections are taken and nothing is ever answered. resetting: what is asked ends the
    connection. wrong: every request is answered with a page that has nothing to do with it.
    """

    def __init__(self, port: int, *, delay_s: float = 1.0) -> None:
        self._to = port
        self.delay_s = delay_s
        self._mode: Mode = "through"
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = 0

    @property
    def url(self) -> str:
        """Where the relay listens, for HTTP."""
        return f"http://{HOST}:{self.port}"

    @property
    def mode(self) -> Mode:
        """What happens to connections now."""
        return self._mode

    async def set(self, mode: Mode) -> None:
        """Change what happens; connections that are open meet it too, and are closed when it is over."""
        before, self._mode = self._mode, mode
        if mode == "refusing":
            await self._close()
        elif before == "refusing":
            await self._listen()
        if mode in ("refusing", "through") and before != "slow":
            self._drop()

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._close()
        self._drop()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port, reuse_address=True, backlog=BACKLOG)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _drop(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        behind: asyncio.StreamWriter | None = None
        try:
            answers, behind = await asyncio.open_connection(HOST, self._to)
            answering = asyncio.create_task(self._answers(answers, writer))
            with contextlib.suppress(ConnectionError):
                await self._requests(reader, writer, behind)
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
        except OSError:
            pass  # what stands behind is gone: so is this connection
        finally:
            self._open.discard(writer)
            for end in (writer, behind):
                if end is not None:
                    end.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, behind: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(CHUNK):
            match self._mode:
                case "half-open":
                    continue
                case "resetting" | "refusing":
                    return
                case "wrong":
                    writer.write(WRONG)
                    await writer.drain()
                case _:
                    behind.write(data)
                    await behind.drain()

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(CHUNK):
                if self._mode == "slow":
                    await asyncio.sleep(self.delay_s)
                if self._mode in ("through", "slow"):
                    writer.write(data)
                    await writer.drain()
        writer.transport.abort()
