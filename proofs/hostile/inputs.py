"""One hostile request: the bytes that are sent, when, and which answers are right."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

ACCEPTED = frozenset({200, 201})
CLOSED = 0
"""In `expected`: the server may close the connection without a word, as for what is not HTTP."""

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Input:
    """`pieces` are sent one after another, `pause_s` apart; `hang_up` closes the connection after the last.

    `{key}` in a head stands for the caller's credentials.
    """

    name: str
    family: str
    pieces: tuple[bytes, ...]
    expected: frozenset[int]
    pause_s: float = 0.0
    hang_up: bool = False


def request(
    name: str,
    family: str,
    expected: int | Iterable[int],
    *,
    method: str = "POST",
    path: str = "/api/generate",
    body: Any = None,
    headers: Mapping[str, str] = JSON,
    credentials: str = "{key}",
) -> Input:
    """A request that is HTTP to the letter. A body of bytes goes as it is, any other as JSON."""
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {len(content)}"]
    if credentials:
        lines.append(f"authorization: Bearer {credentials}")
    lines += [f"{header}: {value}" for header, value in headers.items()]
    head = "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n"
    return Input(name, family, (head + content,), _set(expected))


def raw(
    name: str, family: str, expected: int | Iterable[int], *pieces: bytes, pause_s: float = 0, hang_up: bool = False
) -> Input:
    """Bytes as they are."""
    return Input(name, family, pieces, _set(expected), pause_s, hang_up)


def generation(name: str, family: str, expected: int | Iterable[int], **body: Any) -> Input:
    """POST /api/generate of two tokens."""
    return request(name, family, expected, body={"prompt": "Say yes.", "max_tokens": 2, "temperature": 0, **body})


def chat(name: str, family: str, expected: int | Iterable[int], **body: Any) -> Input:
    """POST /v1/chat/completions of two tokens."""
    usual = {"model": "SmolLM2-135M-Instruct", "messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 2}
    return request(name, family, expected, path="/v1/chat/completions", body={**usual, "temperature": 0, **body})


def _set(expected: int | Iterable[int]) -> frozenset[int]:
    return frozenset({expected}) if isinstance(expected, int) else frozenset(expected)
