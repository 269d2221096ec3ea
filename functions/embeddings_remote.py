"""Embeddings as the web tier and the jobs see them on Modal: a client of the function `embed` in another container."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import modal

from functions.embeddings import Embedded
from functions.failures import Unavailable

WAIT_S: Final = 30.0
"""How long a call may take: most of it is a container's start."""

LONGEST_TEXT: Final = 4096
"""In characters: more than the tokens that the model reads. The rest would travel for nothing."""


class RemoteEmbedder:
    """An `Embedder` over Modal's function `embed`."""

    def __init__(self, function: modal.Function[Any, Any, Any], *, wait_s: float = WAIT_S) -> None:
        self._function = function
        self._wait_s = wait_s

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """See `functions.embeddings.Embedder`."""
        try:
            async with asyncio.timeout(self._wait_s):
                vectors, tokens = await self._function.remote.aio([text[:LONGEST_TEXT] for text in texts])
        except TimeoutError:
            raise Unavailable("search by meaning", f"no answer within {self._wait_s:g} s", retry_after_s=10) from None
        except modal.exception.Error as error:
            raise Unavailable("search by meaning", type(error).__name__) from error
        return Embedded(vectors, tokens)
