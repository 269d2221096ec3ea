"""Idempotency-Key on requests that cost money: sent again, they are answered as the first time, and done once."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from endpoints.guard import GuardedRoute, RouteHandler
from endpoints.json_request import JsonRequest
from endpoints.server_sent_events import EventStream, wants_events
from endpoints.services import Services, services_of
from functions.callers import Caller
from functions.failures import Failure
from functions.idempotency import Lease, StoredAnswer, fingerprint

HEADER = "idempotency-key"
REPLAYED = {"idempotent-replayed": "true"}
_KEPT_HEADERS = ("content-type", "etag", "location")


class CostlyRoute(GuardedRoute):
    """A guarded route that takes `Idempotency-Key`.

    Answers are kept, with their status; failures are not: who repeats one tries again. A stream is kept when it has
    come to its end, and given again whole; so is one that its client has left, where the work goes on without it.
    """

    async def serve(self, request: JsonRequest, handle: RouteHandler) -> Response:
        """Raises `StillRunning` while the first request with the key runs, `Refused` when it was another request."""
        known: Caller | None = getattr(request.state, "caller", None)
        if known is None:  # a public path among the costly ones
            return await handle(request)
        services = await services_of(request)
        caller = request.state.caller = services.lasting_tokens.caller(known)
        key = request.headers.get(HEADER)
        if key is None:
            return await handle(request)
        path = request.url.path + ("#events" if wants_events(request) else "")
        begun = await services.idempotency.begin(caller, key, fingerprint(request.method, path, await request.body()))
        if isinstance(begun, StoredAnswer):
            return Response(begun.body, begun.status, {**begun.headers, **REPLAYED})
        kept = _Kept(services, caller, begun)
        try:
            response = await handle(request)
            if isinstance(response, EventStream):
                return _KeptStream(response, kept)
            await kept.complete(response.status_code, response.headers, bytes(response.body))
        except BaseException:
            await kept.release()
            raise
        return response


class _Kept:
    """The answer to be kept under one key. Clean-up runs to its end, whatever becomes of the request."""

    def __init__(self, services: Services, caller: Caller, lease: Lease) -> None:
        self._services = services
        self._caller = caller
        self._lease = lease

    async def complete(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        answer = StoredAnswer(status=status, headers=kept, body=body.decode())
        store = self._services.idempotency.complete(self._caller, self._lease, answer)
        with suppress(Failure):  # logged there; the answer is good, although it is not kept
            await self._services.afterwards.finish(store)

    def later(self, work: Coroutine[Any, Any, None]) -> None:
        self._services.afterwards.begin(work)

    async def release(self) -> None:
        with suppress(Failure):  # as above: the lease runs out by itself
            await self._services.afterwards.finish(self._services.idempotency.release(self._caller, self._lease))


class _KeptStream(Response):
    """Sends `stream` as it comes and keeps a copy, which is stored when the stream has ended well."""

    def __init__(self, stream: EventStream, kept: _Kept) -> None:
        super().__init__(status_code=stream.status_code)
        self._stream = stream
        self._kept = kept

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        chunks: list[bytes] = []

        async def send_copied(message: Message) -> None:
            chunks.append(message.get("body", b""))
            await send(message)

        try:
            await self._stream(scope, receive, send_copied)
        finally:
            if self._stream.completed:
                await self._complete(b"".join(chunks))
            elif self._stream.whole is not None:
                self._kept.later(self._complete_later(self._stream.whole))
            else:
                await self._kept.release()

    async def _complete(self, body: bytes) -> None:
        await self._kept.complete(self.status_code, Headers(raw=self._stream.raw_headers), body)

    async def _complete_later(self, whole: Callable[[], Awaitable[bytes | None]]) -> None:
        """The client has gone, the work goes on: whoever sends the key again gets all of it."""
        if (body := await whole()) is not None:
            await self._complete(body)
        else:
            await self._kept.release()
