"""How middleware adds headers to a response without touching its body."""

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Send


def adding_headers(send: Send, headers: Mapping[str, str]) -> Send:
    """A `send` that adds `headers` to the response unless the application has set them itself."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            present = MutableHeaders(scope=message)
            for name, value in headers.items():
                present.setdefault(name, value)
        await send(message)

    return send_with_headers
