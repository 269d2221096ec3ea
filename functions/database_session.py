"""The connections under supabase's client: what it asks of an `httpx.AsyncClient`, by aiohttp alone.

The client builds a request and reads an answer; between the two, httpx's own requests, headers and URLs would be more
than half of what a call costs this process (docs/benchmarks/web-tier.md).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp.transport import map_aiohttp_exceptions
from yarl import URL

CONNECTIONS = 100
# Shorter than what stands in front of the database keeps an idle connection: a write on one that was just closed fails.
IDLE_CONNECTION_S = 15.0
_UNLIMITED = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=None, sock_read=None)


@dataclass(frozen=True, slots=True)
class Request:
    """What an answer was for, as far as supabase's client asks."""

    method: str
    url: str
    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class Answer:
    """As much of an `httpx.Response` as supabase's client reads, with its body read."""

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


@dataclass(frozen=True, slots=True)
class Asking:
    """The session as one call has it, in the place of its client: with the caller's token, which is not kept."""

    session: "DatabaseSession"
    token: str
    auth: None = None

    async def request(
        self, method: str, url: str, *, content: bytes | None, headers: httpx.Headers, **_: object
    ) -> Answer:
        """See `DatabaseSession.request`. Of `headers` none is sent: the session has them all."""
        return await self.session.request(Request(method, url, headers), content, self.token)


class DatabaseSession:
    """One pool of connections for everybody: no cookies are taken, no redirect is followed, the environment not read.

    `headers` go with each request. `check` sees each answer, and may raise what the answer stands for. There are no
    time limits here: whoever asks has one. Make it inside the event loop that it is used in.
    """

    def __init__(self, check: Callable[[Answer], None]) -> None:
        self.headers: Mapping[str, str] = {}
        self._check = check
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def request(self, request: Request, content: bytes | None, token: str) -> Answer:
        """Raises `httpx.TransportError`, and what `check` raises."""
        if self._session is None:
            connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_CONNECTION_S)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=_UNLIMITED
            )
        url = self._urls.get(request.url)
        if url is None:  # one for each function that is called
            url = self._urls[request.url] = URL(request.url)
        headers = {**self.headers, "Authorization": f"Bearer {token}"}
        try:
            asking = self._session.request(request.method, url, data=content, headers=headers, allow_redirects=False)
            async with asking as response:
                body = await response.read()
        except Exception:  # none is kept: each goes on, as the one of httpx that the client knows
            with map_aiohttp_exceptions():
                raise
        answer = Answer(request, response.status, response.reason or "", response.headers, body)
        self._check(answer)
        return answer

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
