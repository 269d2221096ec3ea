"""Text to vector, for search by meaning: what whoever needs vectors knows of the model that makes them.

The model is in `functions.sentence_model`, and its adapter for the cloud in `functions.embeddings_remote`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

DIMENSIONS = 384
MODEL = "all-MiniLM-L6-v2"

Vector = list[float]


class Embedded(NamedTuple):
    """A unit vector of `DIMENSIONS` for each text, in order, and how many tokens the model has read for them all."""

    vectors: list[Vector]
    tokens: int


class Embedder(Protocol):
    """Whatever turns texts into vectors: in this process, or a function in the cloud."""

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """The vectors of these texts. Raises `Unavailable`."""
        ...
