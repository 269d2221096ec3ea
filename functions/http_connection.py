"""One HTTP/1.1 connection of a client: a request, its answer, and the next one (RFC 9112), parsed by llhttp.

For calls that are many and small to a server that one knows. It follows nothing, unpacks nothing and keeps no cookies.
"""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast

import httptools
import httpx


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Names of headers are in lower case; of several headers of one name the last is kept."""

    status_code: int
    reason_phrase: str
    headers: dict[str, str]
    content: bytes


class HttpConnection(asyncio.Protocol):
    """Asked by one caller at a time. `is_open` is false once it has been closed, by whichever side."""

    def __init__(self) -> None:
        self.is_open = False
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._asked: asyncio.Future[HttpAnswer] | None = None
        self._begin()

    async def ask(self, request: bytes) -> HttpAnswer:
        """The answer to a whole request. Raises `httpx.TransportError`; after that, or a cancellation, it is closed."""
        self._asked = asyncio.get_running_loop().create_future()
        try:
            self._transport.write(request)
            return await self._asked
        except BaseException:
            self.close()
            raise
        finally:
            self._asked = None

    def close(self) -> None:
        """What is under way is lost."""
        self.is_open = False
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of `asyncio.Protocol`, as the next two."""
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's are none by their class
        self.is_open = True

    def data_received(self, data: bytes) -> None:
        """What nobody has asked for closes the connection: it would be taken for the next answer."""
        if self._asked is None:
            self.close()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"what was answered is not HTTP ({type(error).__name__})")

    def connection_lost(self, exc: Exception | None) -> None:
        """In the middle of an answer, or before it, is a failure of the request."""
        self.is_open = False
        self._fail(f"the connection was closed ({type(exc).__name__ if exc else 'by the server'})")

    def on_status(self, reason: bytes) -> None:
        """Of httptools, as those below."""
        self._reason += reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """See `HttpAnswer`."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        """A part of it, chunked or not."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """An informational answer (1xx) is followed by the one that was asked for."""
        status = self._parser.get_status_code()
        answer = HttpAnswer(status, self._reason, self._headers, b"".join(self._body))
        self._begin()
        if status < HTTPStatus.OK:
            return
        if self._asked is None or self._asked.done():
            self.close()
            return
        if not self._parser.should_keep_alive():
            self.close()
        self._asked.set_result(answer)

    def _begin(self) -> None:
        self._reason = ""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []

    def _fail(self, reason: str) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(httpx.RemoteProtocolError(reason))
