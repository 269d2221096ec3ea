"""Headers that an answer has besides those that the application gives it: added once, whoever they come from."""

from collections.abc import Mapping, Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RawHeaders = Sequence[tuple[bytes, bytes]]
_STATE = "response_headers"


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """As ASGI has them; names are in lower case."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def answer_with(scope: Scope, headers: Mapping[str, str]) -> None:
    """The answer to this request will have `headers` (lower-case names), unless the application sets them itself."""
    scope.setdefault("state", {}).setdefault(_STATE, {}).update(raw(headers))


class ResponseHeadersMiddleware:
    """Adds `headers` to every response, and to each what the request was to be answered with (`answer_with`).

    Those that a response has set itself it keeps.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]) -> None:
        self.app = app
        self._always = dict(raw(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = message.get("headers", ())
                added = {**self._always, **scope.get("state", {}).get(_STATE, {})}
                for name, _ in own:
                    added.pop(name, None)
                message["headers"] = [*own, *added.items()]
            await send(message)

        await self.app(scope, receive, send_with_headers)
