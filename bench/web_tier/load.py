"""The same HTTP/1.1 request, many times, over connections that are kept: by a closed loop, or at a given rate."""

import asyncio
import time
from dataclasses import dataclass
from itertools import cycle, islice
from typing import cast

END_OF_HEAD = b"\r\n\r\n"
CONNECTIONS = 64


class ServerFaultError(RuntimeError):
    """An answer other than 200, or none: the figures would be of something else."""


class _Connection(asyncio.Protocol):
    """One request at a time; the answer has a content-length."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(END_OF_HEAD)
        if not found or self._answer is None:
            return
        length = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
        if len(body) < int(length):
            return
        answer, self._answer, self._received = self._answer, None, b""
        if head[9:12] == b"200":
            answer.set_result(body)
        else:
            answer.set_exception(ServerFaultError(f"{head[:200]!r} {body[:500]!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ServerFaultError(f"the connection was lost: {exc}"))

    async def ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    @property
    def is_open(self) -> bool:
        """A server closes what has been idle for some seconds."""
        return not self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()


@dataclass(frozen=True)
class Target:
    """A server, and the request that it is asked, by one user after another where there are `others`."""

    port: int
    headers: dict[str, str]
    body: bytes
    path: str = "/v1/chat/completions"
    others: tuple[dict[str, str], ...] = ()

    def requests(self) -> list[bytes]:
        """One for each user."""
        return [self._request(headers) for headers in (self.headers, *self.others)]

    def _request(self, own: dict[str, str]) -> bytes:
        headers = {"host": f"127.0.0.1:{self.port}", "content-type": "application/json", **own}
        lines = [f"POST {self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join([*lines, f"content-length: {len(self.body)}"])
        return head.encode() + END_OF_HEAD + self.body

    async def connect(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, protocol = await loop.create_connection(_Connection, "127.0.0.1", self.port)
        return protocol


async def closed_loop(target: Target, *, clients: int, requests: int) -> list[float]:
    """Seconds that each request took, when each client asks again as soon as it is answered."""
    numbers, taken = iter(range(requests)), []

    async def client(request: bytes) -> None:
        connection = await target.connect()
        for _ in numbers:
            began = time.perf_counter()
            await connection.ask(request)
            taken.append(time.perf_counter() - began)
        connection.close()

    await asyncio.gather(*(client(request) for request in islice(cycle(target.requests()), clients)))
    return sorted(taken)


async def open_loop(target: Target, *, per_second: float, seconds: float) -> list[float]:
    """Seconds from the moment that each request was due, evenly spaced, until its answer: waiting counts too."""
    users, taken = cycle(target.requests()), []
    idle = [await target.connect() for _ in range(4)]
    every: list[_Connection] = [*idle]

    async def one(due: float) -> None:
        idle[:] = [connection for connection in idle if connection.is_open]
        connection = idle.pop() if idle else await target.connect()
        if connection not in every:
            every.append(connection)
        await connection.ask(next(users))
        taken.append(time.perf_counter() - due)
        idle.append(connection)

    began, tasks = time.perf_counter() + 0.01, []
    for number in range(int(per_second * seconds)):
        due = began + number / per_second
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.create_task(one(due)))
    await asyncio.gather(*tasks)
    for connection in every:
        connection.close()
    return sorted(taken)


def percentile(taken: list[float], share: float) -> float:
    """Of sorted figures."""
    return taken[min(len(taken) - 1, int(len(taken) * share))]
