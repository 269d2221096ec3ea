"""Sends a hostile input as the bytes that it is, and reads what comes back."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from proofs.hostile.inputs import CLOSED, Input

ANSWER_S = 300.0
LARGEST_ANSWER = 8 * 2**20


@dataclass(frozen=True)
class Outcome:
    """`status` is `CLOSED` where no answer came; `seconds` until all of it was there."""

    input: Input
    status: int
    seconds: float
    head: str
    body: str

    @property
    def fault(self) -> str | None:
        """What is wrong with the answer, if anything is."""
        if self.input.hang_up:
            return None
        if self.status not in self.input.expected:
            return f"{self.status} instead of {', '.join(map(str, sorted(self.input.expected)))}"
        if self.seconds >= ANSWER_S:
            return f"no end after {self.seconds:.0f} s"
        # What is not HTTP is answered by the HTTP server itself, in plain words.
        if self.status > 400 and '"' not in self.body and "HEAD" not in self.input.name:
            return f"{self.status} without a document that says why"
        return None


async def send(host: str, port: int, key: str, one: Input) -> Outcome:
    """Send `one` on a connection of its own, with `key` where it stands for credentials."""
    began = time.monotonic()
    answer = b""
    try:
        reader, writer = await asyncio.open_connection(host, port, limit=2**20)
        try:
            async with asyncio.timeout(ANSWER_S):
                answer = await _exchange(reader, writer, key, one)
        finally:
            writer.transport.abort()
    except (OSError, TimeoutError):
        pass
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        head, _, body = body.partition(b"\r\n\r\n")
    words = head.split(b" ", 2)
    status = int(words[1]) if len(words) > 1 and words[1][:3].isdigit() else CLOSED
    return Outcome(one, status, time.monotonic() - began, head.decode("latin-1"), body.decode(errors="replace"))


async def _exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str, one: Input) -> bytes:
    with contextlib.suppress(ConnectionError):  # an answer may come before all is sent
        for piece in one.pieces:
            writer.write(piece.replace(b"{key}", key.encode()))
            await writer.drain()
            if one.pause_s:
                await asyncio.sleep(one.pause_s)
    if one.hang_up:
        return b""
    answer = b""
    with contextlib.suppress(ConnectionError):
        while len(answer) < LARGEST_ANSWER and (data := await reader.read(2**16)):
            answer += data
    return answer
