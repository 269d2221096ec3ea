"""One streamed generation, byte by byte, read as its reader reads: at once, slowly, not to the end, or never."""

import asyncio
import contextlib
import itertools
import json
import random
import socket
import time
from dataclasses import dataclass, field
from typing import Any, Literal

Manner = Literal["prompt", "slow", "leaving", "stuck"]
How = Literal["whole", "left", "refused", "broken"]

MODEL = "SmolLM2-135M-Instruct"
SMALL_BUFFER = 4_096
SLOW_PIECE, SLOW_PAUSE_S = 2_048, 0.1
LEAVES_WITHIN_S = 8.0
LEAVES_WITHIN_PIECES = 30
ENDS = (b"data: [DONE]", b"event: done")
SCHEMA = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 30}}, "required": ["name"]}
_numbers = itertools.count(1)


@dataclass
class Stream:
    """What became of one request. Times are `time.monotonic()`'s; `pieces` are those of events with words in them."""

    user: int
    manner: Manner
    began: float
    how: How = "broken"
    status: int = 0
    retry_after: str | None = None
    answered: float = 0.0
    ended: float = 0.0
    pieces: list[float] = field(default_factory=list)
    said: str = ""


def body_of(manner: Manner, chance: random.Random) -> tuple[str, dict[str, Any]]:
    """Path and body, another one each time: nothing is answered from what was kept.

    Slow and stuck readers ask for twenty alternatives of each token: what they do not take is more than buffers hold.
    """
    prompt = f"Tell me something about the number {next(_numbers)}."
    usual = {"model": MODEL, "messages": [{"role": "user", "content": prompt}], "stream": True, "temperature": 0.8}
    if manner in ("slow", "stuck"):
        tokens = 400 if manner == "stuck" else chance.randint(24, 64)
        return "/v1/chat/completions", {**usual, "max_tokens": tokens, "logprobs": True, "top_logprobs": 20}
    tokens = chance.randint(16, 48)
    match chance.randrange(4):
        case 0:
            return "/v1/chat/completions", {**usual, "max_tokens": tokens}
        case 1:
            return "/api/generate", {"prompt": prompt, "max_tokens": tokens, "temperature": 0.8, "json_schema": SCHEMA}
        case 2:
            return "/api/generate", {"prompt": prompt, "max_tokens": tokens, "temperature": 0.8, "regex": "[a-z ]{60}"}
        case _:
            return "/api/generate", {"prompt": prompt, "max_tokens": tokens, "temperature": 0.8}


async def stream(port: int, credentials: str, user: int, manner: Manner, chance: random.Random) -> Stream:
    """Ask, and read; returns when the reader has done with it. A cancellation closes the connection."""
    this = Stream(user, manner, time.monotonic())
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    if manner in ("slow", "stuck"):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    limit = SMALL_BUFFER if manner in ("slow", "stuck") else 2**16
    await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    try:
        writer.write(_request(credentials, *body_of(manner, chance)))
        leaves_s = chance.uniform(0, LEAVES_WITHIN_S) if manner == "leaving" and chance.random() < 0.5 else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(leaves_s):
                await _answer(reader, this, chance)
                return this
        this.how = "left"
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        this.how, this.said = "broken", f"{type(error).__name__}: {error}"
    finally:
        this.ended = time.monotonic()
        if chance.random() < 0.5:
            writer.transport.abort()
        else:
            writer.close()
    return this


async def _answer(reader: asyncio.StreamReader, this: Stream, chance: random.Random) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    this.answered = time.monotonic()
    this.status = int(head.split(" ", 2)[1])
    headers = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    this.retry_after = headers.get("retry-after")
    if this.status != 200:
        this.said = (await reader.read(2_000)).decode(errors="replace")
        this.how = "refused" if this.status in (429, 503) else "broken"
        return
    match this.manner:
        case "stuck":
            await asyncio.Event().wait()
        case "slow":
            await _slowly(reader, this)
        case "leaving":
            await _line_by_line(reader, this, chance.randint(1, LEAVES_WITHIN_PIECES))
        case "prompt":
            await _line_by_line(reader, this, None)


async def _line_by_line(reader: asyncio.StreamReader, this: Stream, leaves_after: int | None) -> None:
    ended = False
    while line := await reader.readline():
        if line.startswith((b"event: error", b'data: {"error"')):
            this.said = (line + await reader.read(2_000)).decode(errors="replace")
            return
        ended = ended or line.startswith(ENDS)
        if line.startswith(b"data: {") and not ended:
            this.pieces.append(time.monotonic())
        if leaves_after is not None and len(this.pieces) >= leaves_after and not ended:
            this.how = "left"
            return
    this.how, this.said = ("whole", "") if ended else ("broken", "the stream broke off")


async def _slowly(reader: asyncio.StreamReader, this: Stream) -> None:
    last = b""
    while data := await reader.read(SLOW_PIECE):
        last = last[-SLOW_PIECE:] + data
        await asyncio.sleep(SLOW_PAUSE_S)
    ended = any(end in last for end in ENDS)
    this.how, this.said = ("whole", "") if ended else ("broken", last.decode(errors="replace")[-500:])


def _request(credentials: str, path: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    lines = [
        f"POST {path} HTTP/1.1",
        "host: localhost",
        "connection: close",
        "accept: text/event-stream",
        "content-type: application/json",
        f"content-length: {len(content)}",
        f"authorization: Bearer {credentials}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content
