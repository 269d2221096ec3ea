"""The connections under supabase's client: what it asks of an `httpx.AsyncClient`, without httpx.

The client builds a request and reads an answer; between the two, the requests, headers, URLs and pools of httpx, or of
aiohttp, would be most of what a call costs this process (docs/benchmarks/web-tier.md).
"""

import asyncio
import json
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import httpx
from aiohappyeyeballs import start_connection

from functions.http_connection import HttpConnection

CONNECTIONS = 100
# Shorter than what stands in front of the database keeps an idle connection: a write on one that was just closed fails.
IDLE_CONNECTION_S = 15.0
_HAPPY_EYEBALLS_S = 0.25  # RFC 8305


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer was for, as far as supabase's client asks."""

    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class Answer:
    """As much of an `httpx.Response` as supabase's client reads. Names of headers are in lower case."""

    request: Request
    status_code: int
    reason_phrase: str
    headers: Mapping[str, str]
    content: bytes

    @property
    def is_success(self) -> bool:
        """2xx."""
        return HTTPStatus.OK <= self.status_code < HTTPStatus.MULTIPLE_CHOICES

    @property
    def text(self) -> str:
        """PostgREST writes UTF-8."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Raises `json.JSONDecodeError`."""
        return json.loads(self.content)


class DatabaseSession:
    """One pool of connections for everybody: no cookies are taken, no redirect is followed, the environment not read.

    `headers` go with each request. `check` sees each answer, and may raise what the answer stands for. There are no
    time limits here: whoever asks has one. `url` is the server's; its path does not count.
    """

    auth = None

    def __init__(self, url: str, check: Callable[[Answer], None]) -> None:
        self.headers: Mapping[str, str] = {}
        self._check = check
        parts = urlsplit(url)
        self._host = parts.hostname or ""
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._netloc = parts.netloc
        self._heads: dict[tuple[str, str], bytes] = {}
        self._idle: list[HttpConnection] = []
        self._is_closed = False
        self._places = asyncio.Semaphore(CONNECTIONS)

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: httpx.Headers, **_: object
    ) -> Answer:
        """Raises `httpx.TransportError`, and what `check` raises."""
        body = content or b""
        pairs = headers.raw
        own = b"".join(b"%b: %b\r\n" % pair for pair in pairs)
        if not own.count(b"\r") == own.count(b"\n") == len(pairs):
            raise httpx.LocalProtocolError("a header has a line break in it")
        head = b"%b%bcontent-length: %d\r\n\r\n" % (self._head(method, url), own, len(body))
        async with self._places:
            connection = self._idle_connection() or await self._connect()
            answer = await connection.ask(head + body)
            if self._is_closed:
                connection.close()
            elif connection.is_open:
                connection.idle_since = asyncio.get_running_loop().time()
                self._idle.append(connection)
        seen = Answer(Request(headers), answer.status_code, answer.reason_phrase, answer.headers, answer.content)
        self._check(seen)
        return seen

    async def aclose(self) -> None:
        """Close the connections that are idle; one that is in use is closed when its request has been answered."""
        self._is_closed = True
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)  # they close in the next turn of the loop

    def _head(self, method: str, url: str) -> bytes:
        """What all requests to one address begin with."""
        head = self._heads.get((method, url))
        if head is None:  # one for each function that is called
            lines = {"host": self._netloc, **self.headers}
            parts = urlsplit(url)
            target = f"{parts.path}?{parts.query}" if parts.query else parts.path
            first = f"{method} {target} HTTP/1.1\r\n"
            head = (first + "".join(f"{name}: {value}\r\n" for name, value in lines.items())).encode("latin-1")
            self._heads[method, url] = head
        return head

    def _idle_connection(self) -> HttpConnection | None:
        """The one that was used last, so that those that are too many become idle for long, and are closed."""
        oldest = asyncio.get_running_loop().time() - IDLE_CONNECTION_S
        while self._idle and (self._idle[0].idle_since < oldest or not self._idle[0].is_open):
            self._idle.pop(0).close()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open:
                return connection
        return None

    async def _connect(self) -> HttpConnection:
        loop = asyncio.get_running_loop()
        name = self._host if self._tls else None
        try:
            addresses = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            # uvloop's own `create_connection` tries one address after another.
            sock = await start_connection(addresses, happy_eyeballs_delay=_HAPPY_EYEBALLS_S, interleave=1)
            _, connection = await loop.create_connection(HttpConnection, sock=sock, ssl=self._tls, server_hostname=name)
        except OSError as error:  # of TLS too
            raise httpx.ConnectError(type(error).__name__) from error
        return connection
