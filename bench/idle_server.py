"""A server that answers every call at once, with `true` or the JSON it was given: what is measured is the client.

It prints its port, and ends with its standard input.
"""

import asyncio
import sys
from typing import cast

import uvloop

BODY = sys.argv[1].encode() if len(sys.argv) > 1 else b"true"
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-range: 0-0/*\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
END_OF_HEAD = b"\r\n\r\n"


class Answering(asyncio.Protocol):
    def __init__(self) -> None:
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by their class

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (head_ends := self._received.find(END_OF_HEAD)) >= 0:
            head = self._received[:head_ends].lower()
            length = int(head.partition(b"content-length:")[2].split(b"\r\n")[0])
            whole = head_ends + len(END_OF_HEAD) + length
            if len(self._received) < whole:
                return
            self._received = self._received[whole:]
            self._transport.write(ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Answering, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    uvloop.run(main())
