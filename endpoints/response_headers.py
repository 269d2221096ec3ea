"""How middleware adds headers to a response without touching its body."""

from collections.abc import Mapping, Sequence

from starlette.types import Message, Send

RawHeaders = Sequence[tuple[bytes, bytes]]


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """As ASGI has them; names are in lower case."""
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]


def adding_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """A `send` that adds `headers` (lower-case names) to the response unless the application has set them itself."""
    return adding_raw_headers(send, raw(headers))


def adding_raw_headers(send: Send, headers: RawHeaders) -> Send:
    """As `adding_headers`, for those that are the same on every response."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = message.get("headers", ())
            present = {name for name, _ in own}
            message["headers"] = [*own, *(pair for pair in headers if pair[0] not in present)]
        await send(message)

    return send_with_headers
