"""How middleware adds headers to a response without touching its body."""

from collections.abc import Mapping

from starlette.types import Message, Send


def adding_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """A `send` that adds `headers` (lower-case names) to the response unless the application has set them itself."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            present = {name for name, _ in own}
            more = ((name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items())
            message["headers"] = own + [pair for pair in more if pair[0] not in present]
        await send(message)

    return send_with_headers
